// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDigitalAssets} from "../../../contracts/interfaces/IDigitalAssets.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {AttackHouse} from "./AttackHouse.sol";
import {Rfc6962} from "./Rfc6962.sol";

/// @notice What the rules let happen, and what it costs at most: docs/decisions/0016 says why, docs/threat-model.md what a
///         user can do about it.
contract AcceptedAttackTest is AttackHouse {
    bytes32 private constant SHELL = keccak256("shell");

    /// @dev Anybody can register a service, buy from himself for nothing, and with his own meter vouch for a hash that he
    ///      saw waiting. The maker's mint is then refused as the copy; the provenance still tells whose service it was.
    function test_attack_contentHashTakenByAForeignService_showsTheForeignService() public {
        uint96 id = active(unitPlan, 1, 0);
        bytes memory signed = sign(meterKey, assets.hashProvenance(SHELL, buyer, id, "s4m:shell"));
        vm.startPrank(attacker);
        uint32 own = catalog.register(IModelCatalog.Kind.CaaS, "spec", "", attacker, 0);
        IModelCatalog.PlanTerms memory free = terms();
        (free.unitPrice, free.period, free.periodPrice, free.qoeFloor) = (0, 0, 0, 0);
        uint96 foreign = market.buy(catalog.publishPlan(own, free, noShares()), attacker, 1, 0, REQUEST);
        (bytes32 r, bytes32 vs) = compact(attackerKey, market.hashActivation(foreign, ENDPOINT));
        market.activate(foreign, ENDPOINT, r, vs);
        assets.mint(
            attacker, SHELL, foreign, "", sign(attackerKey, assets.hashProvenance(SHELL, attacker, foreign, ""))
        );
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.ContentExists.selector, 1));
        assets.mint(buyer, SHELL, id, "s4m:shell", signed);
        assertEq(uint32(assets.asset(1).subscriptionId >> 64), own, "not the model it claims to be of");
    }

    /// @dev Buyer and composite's owner agree off the chain: a component loses its share in what is not settled yet, and
    ///      keeps it in all that is.
    function test_attack_compositeAndBuyerReleaseAtOnce_costsTheComponentTheUnsettledOnly() public {
        uint96 id = active(compositePlan, 1_000, 1);
        IMaaSMarket.Voucher memory heldByTheComponent = voucher(id, 1_000);
        settle(id, 600);
        vm.prank(buyer);
        market.requestRelease(id);
        vm.prank(provider);
        market.release(id);
        skipped(heldByTheComponent, IMaaSMarket.SkipReason.NotActive);
        market.payoutShare(compositePlan, component);
        assertEq(credit.balanceOf(componentOwner), 600 * UNIT_PRICE * 3_000 / 10_000);
    }

    /// @dev A proof is of the keys of the block it is asked at: true at the settlement, false once a key is another.
    function test_attack_keyChangedAfterwards_leavesTheProofOfTheEarlierBlock() public {
        uint96 id = active(unitPlan, 10, 0);
        IMaaSMarket.UsageRecord memory record;
        (record.subscriptionId, record.units, record.total) = (id, 1, 1);
        bytes32 root = sha256(abi.encodePacked(hex"02", uint64(1), Rfc6962.leaf(record)));
        IMaaSMarket.Voucher memory signed = voucherOver(id, 1, root);
        bytes memory meterSig = sign(meterKey, market.hashVoucher(id, 1, root));
        IMaaSMarket.InclusionProof memory proof = IMaaSMarket.InclusionProof({size: 1, path: new bytes32[](0)});
        vm.expectEmit();
        emit IMaaSMarket.Settled(id, 1, UNIT_PRICE, root); // the event keeps the root for ever
        settle(signed);
        uint256 settlement = vm.snapshotState();
        vm.prank(buyer);
        market.proposeSigner(id, attacker);
        vm.warp(nowAt() + RELEASE_WINDOW);
        market.confirmSigner(id);
        assertFalse(market.proveUsage(record, proof, signed, meterSig), "asked of today");
        assertTrue(vm.revertToState(settlement));
        assertTrue(market.proveUsage(record, proof, signed, meterSig), "asked of the settlement's block");
    }
}
