// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {AttackHouse} from "./AttackHouse.sol";

/// @notice Whoever hopes that ten thousand roundings add up to something: they add up to less than one unit.
contract RoundingFarmAttackTest is AttackHouse {
    uint40 private constant TIMES = 10_000;
    uint256 private constant COMPONENTS = 8;
    uint32[COMPONENTS] private components;
    address[COMPONENTS] private owners;

    /// @dev Unit price 1: each settlement earns 1, each share of it rounds to nothing. Everybody draws as often as they can.
    function test_attack_tenThousandUnits_oneByOne_payWhatOneSettlementPays() public {
        uint64 farmed = composed(9_990, 1);
        uint64 straight = composed(9_990, 1);
        uint96 slowly = active(farmed, TIMES, 0);
        uint96 atOnce = active(straight, TIMES, 0);
        for (uint40 i = 1; i <= TIMES; ++i) {
            settle(slowly, i);
            market.payout(farmed);
            market.payoutShare(farmed, components[i % COMPONENTS]);
        }
        uint256[COMPONENTS + 1] memory gained = drawn(farmed);
        settle(atOnce, TIMES);
        uint256[COMPONENTS + 1] memory both = drawn(straight);
        for (uint256 i = 0; i <= COMPONENTS; ++i) {
            assertEq(gained[i], both[i] - gained[i], "the farmer got what the other got, to the unit");
        }
        assertEq(gained[0], 9_990);
        assertEq(gained[1], 1);
        assertEq(gained[COMPONENTS], 3);
        assertEq(earned(farmed), TIMES, "the buyer paid what its key signed");
    }

    /// @dev After each tiny earning the shares sum up to no more than was earned, whoever draws first.
    function test_attack_everyDrawAfterEachTinyEarning_neverExceedsIt(uint256 seed) public {
        uint64 plan = composed(1_249, 1_249);
        uint96 id = active(plan, 16, 0);
        for (uint40 i = 1; i <= 16; ++i) {
            settle(id, i);
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            if (random & 1 == 0) market.payout(plan);
            for (uint256 k = 0; k < COMPONENTS; ++k) {
                if (random >> (8 + k) & 1 == 0) market.payoutShare(plan, components[k]);
            }
            (uint256 all, uint256 paid) = market.earningsOf(plan);
            assertLe(paid, all);
        }
    }

    /// @dev 10,000 collections, some of the same second, some where nothing is due: exactly the time's price, rounded once.
    function test_attack_tenThousandCollections_costWhatOneCosts() public {
        uint96 id = active(planId, 0, 1);
        uint256 start = nowAt();
        uint256 elapsed = 0;
        for (uint256 i = 0; i < TIMES; ++i) {
            elapsed += uint256(keccak256(abi.encode(i))) % 61;
            vm.warp(start + elapsed);
            collect(id);
        }
        assertEq(earned(planId), elapsed * PERIOD_PRICE / PERIOD);
        assertLt(elapsed, PERIOD);
        vm.prank(buyer);
        market.requestRelease(id);
        assertEq(balance(buyer), PERIOD_PRICE - elapsed * PERIOD_PRICE / PERIOD);
    }

    /// @dev One period is cheaper than its seconds are many: each second rounds to nothing, the period does not.
    function test_attack_collectingTimeThatRoundsToNothing_losesNothing() public {
        uint64 plan = publish(0, 100, 3, noShares());
        uint96 id = active(plan, 0, 10);
        uint256 start = nowAt();
        for (uint256 i = 1; i <= 1_000; ++i) {
            vm.warp(start + i);
            collect(id);
        }
        assertEq(earned(plan), 30);
    }

    /// @dev A buyer who splits one subscription into many and leaves each just before a unit is due saves less than a
    ///      unit of the token on each; each costs it a purchase, an activation and a request.
    function test_attack_manyShortSubscriptions_saveLessThanAUnitEach() public {
        uint256 count = 50;
        uint256 apart = 0;
        for (uint256 i = 0; i < count; ++i) {
            uint96 id = active(planId, 0, 1);
            vm.warp(nowAt() + 1_001);
            vm.prank(buyer);
            market.requestRelease(id);
            apart += 1_001;
        }
        uint256 exact = apart * PERIOD_PRICE / PERIOD;
        assertLe(earned(planId), exact);
        assertLt(exact - earned(planId), count);
        assertEq(wealth(buyer), FUNDS - earned(planId));
    }

    /// @dev Topping up and renewing in crumbs costs what it costs in one.
    function test_attack_topUpsInCrumbs_costTheSame() public {
        uint96 id = active(planId, 1, 1);
        vm.startPrank(buyer);
        for (uint256 i = 0; i < 300; ++i) {
            market.raiseCap(id, 1);
            market.renew(id, 1);
        }
        vm.stopPrank();
        assertEq(wealth(buyer), FUNDS - market.quote(planId, 301, 301));
    }

    /// @dev Selling for crumbs leaves the creator without its royalty of less than one unit, sale by sale.
    function test_attack_saleForCrumbs_cutsTheRoyaltyByLessThanAUnit() public {
        uint96 id = active(unitPlan, 1, 0);
        bytes32 shell = keccak256("shell");
        assets.mint(buyer, shell, id, "", sign(meterKey, assets.hashProvenance(shell, buyer, id, "")));
        vm.prank(attacker);
        credit.approve(address(assets), type(uint256).max);
        vm.prank(provider);
        credit.approve(address(assets), type(uint256).max);
        credit.faucet(provider, FUNDS);
        vm.prank(buyer);
        assets.transferFrom(buyer, attacker, 1);
        uint256 before = credit.balanceOf(buyer);
        for (uint256 i = 0; i < 50; ++i) {
            (address from, address to) = i % 2 == 0 ? (attacker, provider) : (provider, attacker);
            vm.prank(from);
            assets.list(1, 39);
            vm.prank(to);
            assets.buy(1, 39);
        }
        assertEq(credit.balanceOf(buyer) - before, 50, "1 of 1.95 each time");
    }

    /// @dev Eight components of someone's own: the first takes `most`, the others `least` each, of every unit of price 1.
    function composed(uint16 most, uint16 least) private returns (uint64) {
        IModelCatalog.Share[] memory shares = new IModelCatalog.Share[](COMPONENTS);
        for (uint256 i = 0; i < COMPONENTS; ++i) {
            owners[i] = address(uint160(0xc0 + i));
            if (components[i] == 0) {
                vm.startPrank(owners[i]);
                components[i] = catalog.register(IModelCatalog.Kind.TaaS, "spec", "s4m:documents/c", meter, 0);
                catalog.setAsk(components[i], 0);
                vm.stopPrank();
            }
            shares[i] = IModelCatalog.Share({modelId: components[i], bps: i == 0 ? most : least});
        }
        return publish(1, 0, 0, shares);
    }

    /// @dev Pays out all of `plan`; returns what each component's owner, and last the provider, now has.
    function drawn(uint64 plan) private returns (uint256[COMPONENTS + 1] memory has) {
        market.payout(plan);
        for (uint256 i = 0; i < COMPONENTS; ++i) {
            market.payoutShare(plan, components[i]);
            has[i] = credit.balanceOf(owners[i]);
        }
        has[COMPONENTS] = credit.balanceOf(provider);
    }
}
