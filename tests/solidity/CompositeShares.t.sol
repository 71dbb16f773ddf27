// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IModelCatalog} from "../../contracts/interfaces/IModelCatalog.sol";
import {House} from "./House.sol";

/// @notice A composite of several components, drawn at the moments when rounding is worst.
/// given eight equal shares: dust drawn by the composite; any order of draws; all drawn
contract CompositeSharesTest is House {
    uint256 private constant COMPONENTS = 8;
    uint32[COMPONENTS] private components;
    uint16[COMPONENTS] private bps;

    function test_dustDrawnByTheComposite_isNeverOwedAgain() public {
        uint64 plan = publish([uint16(1_250), 1_250, 1_250, 1_250, 1_250, 1_250, 1_250, 1_250]);
        uint96 id = active(plan, 100, 0);
        settle(id, 7);
        market.payout(plan);
        settle(id, 8);
        drawAll(plan);
        market.payout(plan);
        (uint256 all, uint256 paid) = market.earningsOf(plan);
        assertEq(all, 8);
        assertLe(paid, all, "paid within earned");
        for (uint256 i = 0; i < COMPONENTS; ++i) {
            assertEq(market.sharePending(plan, components[i]), 0);
        }
    }

    function test_anyOrderOfDraws_paysNoMoreThanEarned_andEveryShareInFull(uint256 seed) public {
        uint64 plan = publish(randomShares(seed));
        uint96 id = active(plan, 100_000, 0);
        uint40 units = 0;
        for (uint256 step = 0; step < 24; ++step) {
            uint256 random = uint256(keccak256(abi.encode(seed, "step", step)));
            units += uint40(1 + random % 9);
            settle(id, units);
            if (random >> 250 & 1 == 0) market.payout(plan);
            else market.payoutShare(plan, components[(random >> 240) % COMPONENTS]);
            (uint256 all, uint256 paid) = market.earningsOf(plan);
            assertLe(paid, all, "paid within earned");
        }
        drawAll(plan);
        market.payout(plan);
        (uint256 earnedAtLast, uint256 paidAtLast) = market.earningsOf(plan);
        assertLe(paidAtLast, earnedAtLast, "paid within earned");
        assertLt(earnedAtLast - paidAtLast, COMPONENTS, "less than a unit a component waits");
    }

    function publish(uint16[COMPONENTS] memory shares) private returns (uint64) {
        IModelCatalog.Share[] memory published = new IModelCatalog.Share[](COMPONENTS);
        for (uint256 i = 0; i < COMPONENTS; ++i) {
            vm.startPrank(componentOwner);
            components[i] = catalog.register(IModelCatalog.Kind.TaaS, "spec", "s4m:documents/c", meter, 0);
            catalog.setAsk(components[i], 0);
            vm.stopPrank();
            published[i] = IModelCatalog.Share({modelId: components[i], bps: shares[i]});
        }
        IModelCatalog.PlanTerms memory cheap = terms();
        (cheap.unitPrice, cheap.period, cheap.periodPrice) = (1, 0, 0);
        vm.prank(provider);
        return catalog.publishPlan(composite, cheap, published);
    }

    function randomShares(uint256 seed) private pure returns (uint16[COMPONENTS] memory shares) {
        for (uint256 i = 0; i < COMPONENTS; ++i) {
            shares[i] = uint16(uint256(keccak256(abi.encode(seed, i))) % 1_251);
        }
    }

    function drawAll(uint64 plan) private {
        for (uint256 i = 0; i < COMPONENTS; ++i) {
            market.payoutShare(plan, components[i]);
        }
    }
}
