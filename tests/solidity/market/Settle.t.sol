// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {MarketUnit} from "./MarketUnit.sol";

/// @notice Vouchers become earnings; what cannot is skipped and named.
contract SettleTest is MarketUnit {
    function test_settle_theBatchIsEmpty_changesNothing() public {
        active(unitPlan, 100, 0);
        bytes32 before = books();
        vm.recordLogs();
        market.settle(new IMaaSMarket.Voucher[](0));
        assertEq(books(), before);
        assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_settle_noSuchSubscription_isSkippedAsUnknown(uint96 id, uint40 units) public {
        skipped(voucher(id, units), IMaaSMarket.SkipReason.Unknown);
    }

    function test_settle_aSubscriptionThatIsNotActive_isSkippedAsNotActive() public {
        IMaaSMarket.Status[4] memory dead = [
            IMaaSMarket.Status.Purchased,
            IMaaSMarket.Status.Refundable,
            IMaaSMarket.Status.Refunded,
            IMaaSMarket.Status.Released
        ];
        for (uint256 i = 0; i < dead.length; ++i) {
            skipped(voucher(inStatus(dead[i]), 10), IMaaSMarket.SkipReason.NotActive);
        }
    }

    function test_settle_aSubscriptionThatIsReleasing_isSettled(uint32 wait) public {
        uint96 id = inStatus(IMaaSMarket.Status.Releasing);
        vm.warp(nowAt() + bound(wait, 0, 3_650 days));
        settled(voucher(id, 10), 10);
    }

    function test_settle_aSubscriptionWhoseTimeHasLapsed_isSettled(uint32 late) public {
        uint96 id = active(planId, 100, 1);
        vm.warp(nowAt() + PERIOD + bound(late, 1, 3_650 days));
        settled(voucher(id, 10), 10);
    }

    function test_settle_aRetiredPlan_isSettledAtThePriceItWasBoughtAt() public {
        uint96 id = active(planId, 100, 1);
        IModelCatalog.PlanTerms memory dearer = terms();
        dearer.unitPrice = 10 * UNIT_PRICE;
        publish(dearer);
        vm.prank(provider);
        catalog.retirePlan(planId);
        settled(voucher(id, 10), 10);
    }

    function test_settle_forNoMoreThanWasUsed_isSkippedAsStale(uint40 used, uint40 units) public {
        uint96 id = active(unitPlan, 1_000, 0);
        used = uint40(bound(used, 0, 1_000));
        units = uint40(bound(units, 0, used));
        settle(id, used);
        skipped(voucher(id, units), IMaaSMarket.SkipReason.Stale);
    }

    function test_settle_forMoreThanTheCap_isSkippedAsOverCap(uint40 units) public {
        uint96 id = active(unitPlan, 1_000, 0);
        settle(id, 10);
        units = uint40(bound(units, 1_001, type(uint40).max));
        skipped(voucher(id, units), IMaaSMarket.SkipReason.OverCap);
    }

    function test_settle_forExactlyTheCap_isSettled(uint40 cap) public {
        cap = uint40(bound(cap, 1, 1_000_000));
        settled(voucher(active(unitPlan, cap, 0), cap), cap);
    }

    function test_settle_aCapThatWasRaised_isSettledUpToTheNewCap() public {
        uint96 id = active(unitPlan, 1_000, 0);
        vm.prank(buyer);
        market.raiseCap(id, 500);
        settled(voucher(id, 1_500), 1_500);
        skipped(voucher(id, 1_501), IMaaSMarket.SkipReason.OverCap);
    }

    function test_settle_forMoreThanThePlanCanStillEarn_isSkippedAsOverCap() public {
        (uint64 plan, uint96 filler, uint96 other) = almostFullPlan();
        uint40 last = market.subscription(filler).cap;
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](2);
        (batch[0], batch[1]) = (voucher(filler, last), voucher(other, 1));
        expectSettled(batch[0], DEAR_UNIT);
        expectSkipped(other, IMaaSMarket.SkipReason.OverCap);
        market.settle(batch);
        assertEq(market.subscription(other).used, 0);
        assertLt(mostEarned() - earned(plan), DEAR_UNIT);
        skipped(batch[1], IMaaSMarket.SkipReason.OverCap);
    }

    function test_settle_forExactlyWhatThePlanCanStillEarn_isSettled() public {
        useAbundantToken();
        uint40 units = uint40(1 << EARNABLE_BITS - 64);
        IModelCatalog.PlanTerms memory dear = terms();
        (dear.unitPrice, dear.periodPrice) = (DEAR_UNIT, uint96(mostEarned() - uint256(units) * DEAR_UNIT));
        uint64 plan = publish(dear);
        uint96 id = active(plan, units, 1);
        vm.warp(nowAt() + PERIOD);
        collect(id);
        IMaaSMarket.Voucher memory one = voucher(id, units);
        expectSettled(one, uint256(units) * DEAR_UNIT);
        settle(one);
        assertEq(earned(plan), mostEarned());
    }

    function test_settle_anotherKeySigned_isSkippedAsBadlySigned() public {
        uint96 id = active(unitPlan, 100, 0);
        uint256[2] memory others = [buyerKey, meterKey];
        for (uint256 i = 0; i < others.length; ++i) {
            sessionKey = others[i];
            skipped(voucher(id, 10), IMaaSMarket.SkipReason.BadSignature);
        }
    }

    function test_settle_anyFieldIsNotWhatWasSigned_isSkippedAsBadlySigned() public {
        uint96 id = active(unitPlan, 100, 0);
        IMaaSMarket.Voucher memory signed = voucher(id, 10);
        IMaaSMarket.Voucher memory changed = voucher(id, 10);
        changed.usageRoot = keccak256("other");
        skipped(changed, IMaaSMarket.SkipReason.BadSignature);
        (changed.usageRoot, changed.units) = (signed.usageRoot, 11);
        skipped(changed, IMaaSMarket.SkipReason.BadSignature);
        (changed.units, changed.subscriptionId) = (signed.units, active(unitPlan, 100, 0));
        skipped(changed, IMaaSMarket.SkipReason.BadSignature);
        settled(signed, 10);
    }

    function test_settle_signedForAnotherChain_isSkippedAsBadlySigned() public {
        IMaaSMarket.Voucher memory signed = voucher(active(unitPlan, 100, 0), 10);
        vm.chainId(block.chainid + 1);
        skipped(signed, IMaaSMarket.SkipReason.BadSignature);
    }

    function test_settle_signedForAnotherMarket_isSkippedAsBadlySigned() public {
        IMaaSMarket.Voucher memory signed = voucher(active(unitPlan, 100, 0), 10);
        market = deployMarket(address(catalog), address(credit));
        vm.prank(buyer);
        credit.approve(address(market), type(uint256).max);
        assertEq(active(unitPlan, 100, 0), signed.subscriptionId);
        skipped(signed, IMaaSMarket.SkipReason.BadSignature);
    }

    function test_settle_theSignatureIsMalformed_isSkippedAsBadlySigned(bytes32 r, bytes32 vs) public {
        IMaaSMarket.Voucher memory one = voucher(active(unitPlan, 100, 0), 10);
        vm.assume(r != one.r || vs != one.vs);
        (one.r, one.vs) = (r, vs);
        skipped(one, IMaaSMarket.SkipReason.BadSignature);
    }

    function test_settle_theSignatureHasAHighS_isSkippedAsBadlySigned() public {
        uint96 id = active(unitPlan, 100, 0);
        IMaaSMarket.Voucher memory one = voucher(id, 10);
        address signer;
        (signer, one.r, one.vs) = highS(market.hashVoucher(id, 10, one.usageRoot));
        vm.prank(buyer);
        market.proposeSigner(id, signer);
        vm.warp(nowAt() + RELEASE_WINDOW);
        market.confirmSigner(id);
        skipped(one, IMaaSMarket.SkipReason.BadSignature);
    }

    function test_settle_anyoneBringsAGoodVoucher_creditsThePlanByTheUnitsAdded(uint40 used, uint40 units) public {
        uint96 id = active(unitPlan, 1_000_000, 0);
        used = uint40(bound(used, 0, 999_999));
        units = uint40(bound(units, used + 1, 1_000_000));
        settle(id, used);
        uint256 held = tokens(address(market));
        settled(voucher(id, units), units - used);
        assertEq(earned(unitPlan), uint256(units) * UNIT_PRICE);
        assertEq(tokens(address(market)), held, "no token moves");
        assertEq(balance(buyer), 0);
    }

    function test_settle_aPlanWhoseUnitsCostNothing_countsTheUnitsAndEarnsNothing() public {
        uint64 plan = publishUnits(0);
        IMaaSMarket.Voucher memory one = voucher(active(plan, 100, 0), 10);
        expectSettled(one, 0);
        settle(one);
        assertEq(market.subscription(one.subscriptionId).used, 10);
        assertEq(earned(plan), 0);
    }

    /// forge-config: default.fuzz.runs = 250
    /// @dev Five vouchers a run.
    function test_settle_severalAreOfOneSubscription_countsOnlyWhatEachAdds(uint40[5] memory units) public {
        uint96 id = active(unitPlan, 1_000, 0);
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](5);
        uint40 used = 0;
        for (uint256 i = 0; i < 5; ++i) {
            batch[i] = voucher(id, uint40(bound(units[i], 1, 1_000)));
            if (batch[i].units > used) expectSettled(batch[i], uint256(batch[i].units - used) * UNIT_PRICE);
            else expectSkipped(id, IMaaSMarket.SkipReason.Stale);
            if (batch[i].units > used) used = batch[i].units;
        }
        market.settle(batch);
        assertEq(market.subscription(id).used, used);
        assertEq(earned(unitPlan), uint256(used) * UNIT_PRICE);
    }

    /// forge-config: default.fuzz.runs = 250
    /// @dev Four purchases, activations and vouchers a run.
    function test_settle_severalAreOfOnePlan_creditsThePlanWithTheSum(uint40[4] memory units) public {
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](4);
        uint256 sum = 0;
        for (uint256 i = 0; i < 4; ++i) {
            batch[i] = voucher(active(unitPlan, 1_000, 0), uint40(bound(units[i], 1, 1_000)));
            sum += batch[i].units;
        }
        market.settle(batch);
        assertEq(earned(unitPlan), sum * UNIT_PRICE);
    }

    /// forge-config: default.fuzz.runs = 250
    /// @dev Five purchases, activations and vouchers a run.
    function test_settle_severalAreOfSeveralPlansInTurn_creditsEachPlanWithItsOwn(uint40[5] memory units) public {
        uint64[5] memory plans = [unitPlan, planId, unitPlan, compositePlan, planId];
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](5);
        for (uint256 i = 0; i < 5; ++i) {
            uint96 id = active(plans[i], 1_000, plans[i] == unitPlan ? 0 : 1);
            batch[i] = voucher(id, uint40(bound(units[i], 1, 1_000)));
        }
        market.settle(batch);
        assertEq(earned(unitPlan), (uint256(batch[0].units) + batch[2].units) * UNIT_PRICE);
        assertEq(earned(planId), (uint256(batch[1].units) + batch[4].units) * UNIT_PRICE);
        assertEq(earned(compositePlan), uint256(batch[3].units) * UNIT_PRICE);
    }

    function test_settle_someAreBad_skipsAndNamesThemWhileTheRestApplies() public {
        uint96 good = active(unitPlan, 100, 0);
        uint96 sleeping = buy(unitPlan, 100, 0);
        uint96 timed = active(planId, 100, 1);
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](7);
        batch[0] = voucher(good, 10);
        batch[1] = voucher(uint96(unitPlan) << 32 | 99, 10);
        batch[2] = voucher(sleeping, 10);
        batch[3] = voucher(good, 10);
        batch[4] = voucher(good, 101);
        batch[5] = voucher(timed, 20);
        batch[5].usageRoot = keccak256("forged");
        batch[6] = voucher(good, 30);
        expectSettled(batch[0], 10 * UNIT_PRICE);
        expectSkipped(batch[1].subscriptionId, IMaaSMarket.SkipReason.Unknown);
        expectSkipped(sleeping, IMaaSMarket.SkipReason.NotActive);
        expectSkipped(good, IMaaSMarket.SkipReason.Stale);
        expectSkipped(good, IMaaSMarket.SkipReason.OverCap);
        expectSkipped(timed, IMaaSMarket.SkipReason.BadSignature);
        expectSettled(batch[6], 20 * UNIT_PRICE);
        market.settle(batch);
        assertEq(earned(unitPlan), 30 * UNIT_PRICE);
        assertEq(earned(planId), 0);
    }

    /// forge-config: default.fuzz.runs = 250
    /// @dev Twelve signatures a run.
    function test_settle_inAnyOrderAndRepeated_endsInTheSameState(uint256 seed) public {
        uint96[2] memory ids = [active(unitPlan, 1_000, 0), active(planId, 1_000, 1)];
        uint40[2] memory most;
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](12);
        for (uint256 i = 0; i < batch.length; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint40 units = uint40(random % 1_200);
            batch[i] = voucher(ids[random >> 255], units);
            if (units <= 1_000 && units > most[random >> 255]) most[random >> 255] = units;
        }
        market.settle(batch);
        assertEq(market.subscription(ids[0]).used, most[0]);
        assertEq(market.subscription(ids[1]).used, most[1]);
        assertEq(earned(unitPlan), most[0] * UNIT_PRICE);
        assertEq(earned(planId), most[1] * UNIT_PRICE);
    }

    /// @dev Alone in its batch, by anyone: applied in full.
    function settled(IMaaSMarket.Voucher memory one, uint40 added) private {
        uint64 plan = uint64(one.subscriptionId >> 32);
        uint256 before = earned(plan);
        expectSettled(one, uint256(added) * UNIT_PRICE);
        vm.prank(anyone);
        settle(one);
        assertEq(market.subscription(one.subscriptionId).used, one.units);
        assertEq(earned(plan) - before, uint256(added) * UNIT_PRICE);
    }

    /// @dev Alone in its batch: named, and nothing changes.
    function skipped(IMaaSMarket.Voucher memory one, IMaaSMarket.SkipReason reason) private {
        bytes32 before = books();
        expectSkipped(one.subscriptionId, reason);
        settle(one);
        assertEq(books(), before, "a skipped voucher changes nothing");
    }
}
