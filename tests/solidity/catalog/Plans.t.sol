// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {CatalogUnit} from "./CatalogUnit.sol";

/// @notice Immutable plan versions and their bounds; Shares.t.sol has what composites share.
contract PlansTest is CatalogUnit {
    function test_publishPlan_noSuchModel_isRefused() public {
        refused(provider, abi.encodeCall(catalog.publishPlan, (NO_MODEL, terms(), none())), unknownModel(NO_MODEL));
        refused(provider, abi.encodeCall(catalog.publishPlan, (0, terms(), none())), unknownModel(0));
    }

    function test_publishPlan_notByTheOwner_isRefused(address caller) public {
        vm.assume(caller != provider);
        bytes memory call = abi.encodeCall(catalog.publishPlan, (composite, terms(), none()));
        refused(caller, call, notOwner(composite, caller));
    }

    function test_publishPlan_theReleaseWindowIsUnderAnHour_isRefused(uint32 window) public {
        IModelCatalog.PlanTerms memory wrong = terms();
        wrong.releaseWindow = uint32(bound(window, 0, 1 hours - 1));
        refusedTerms(wrong, outOfBounds("releaseWindow", 1 hours, wrong.releaseWindow));
    }

    function test_publishPlan_theReleaseWindowIsOver30Days_isRefused(uint32 window) public {
        IModelCatalog.PlanTerms memory wrong = terms();
        wrong.releaseWindow = uint32(bound(window, 30 days + 1, type(uint32).max));
        refusedTerms(wrong, outOfBounds("releaseWindow", 30 days, wrong.releaseWindow));
    }

    function test_publishPlan_theActivationWindowIsZero_isRefused() public {
        IModelCatalog.PlanTerms memory wrong = terms();
        wrong.activationWindow = 0;
        refusedTerms(wrong, outOfBounds("activationWindow", 1, 0));
    }

    function test_publishPlan_theActivationWindowIsOver30Days_isRefused(uint32 window) public {
        IModelCatalog.PlanTerms memory wrong = terms();
        wrong.activationWindow = uint32(bound(window, 30 days + 1, type(uint32).max));
        refusedTerms(wrong, outOfBounds("activationWindow", 30 days, wrong.activationWindow));
    }

    function test_publishPlan_thePeriodIsOver366Days_isRefused(uint32 period) public {
        IModelCatalog.PlanTerms memory wrong = terms();
        wrong.period = uint32(bound(period, 366 days + 1, type(uint32).max));
        refusedTerms(wrong, outOfBounds("period", 366 days, wrong.period));
    }

    function test_publishPlan_aPeriodHasNoPrice_isRefused() public {
        IModelCatalog.PlanTerms memory wrong = terms();
        wrong.periodPrice = 0;
        refusedTerms(wrong, abi.encodeWithSelector(IModelCatalog.PeriodWithoutPrice.selector, PERIOD, 0));
    }

    function test_publishPlan_aPriceHasNoPeriod_isRefused(uint96 price) public {
        IModelCatalog.PlanTerms memory wrong = terms();
        (wrong.period, wrong.periodPrice) = (0, uint96(bound(price, 1, type(uint96).max)));
        refusedTerms(wrong, abi.encodeWithSelector(IModelCatalog.PeriodWithoutPrice.selector, 0, wrong.periodPrice));
    }

    function test_publishPlan_aFloorIsPromisedForFreeUnits_isRefused(uint32 floor) public {
        IModelCatalog.PlanTerms memory wrong = terms();
        (wrong.unitPrice, wrong.qoeFloor) = (0, uint32(bound(floor, 1, type(uint32).max)));
        refusedTerms(wrong, abi.encodeWithSelector(IModelCatalog.FloorWithoutUnitPrice.selector, wrong.qoeFloor));
    }

    function test_publishPlan_everyTermIsAtABound_isPublished() public {
        published(IModelCatalog.PlanTerms(0, 0, 0, 1 hours, 1, 0, 0), 4);
        uint32 month = 30 days;
        published(
            IModelCatalog.PlanTerms(
                type(uint64).max, type(uint96).max, 366 days, month, month, type(uint32).max, bytes32(type(uint256).max)
            ),
            5
        );
        published(IModelCatalog.PlanTerms(0, 1, 1, 1 hours, 1, 0, "free units, dear time"), 6);
    }

    function test_publishPlan_withinTheBounds_isPublishedAndTellsAllOfIt(IModelCatalog.PlanTerms memory wanted) public {
        wanted.releaseWindow = uint32(bound(wanted.releaseWindow, 1 hours, 30 days));
        wanted.activationWindow = uint32(bound(wanted.activationWindow, 1, 30 days));
        wanted.period = uint32(bound(wanted.period, 0, 366 days));
        wanted.periodPrice = wanted.period == 0 ? 0 : uint96(bound(wanted.periodPrice, 1, type(uint96).max));
        if (wanted.unitPrice == 0) wanted.qoeFloor = 0;
        published(wanted, 4);
    }

    function test_publishPlan_again_takesTheNextVersionAndTheFirstStaysAsItWas() public {
        bytes32 first = planOf(planId);
        IModelCatalog.PlanTerms memory dearer = terms();
        dearer.unitPrice += 1;
        published(dearer, 4);
        published(dearer, 5);
        assertEq(catalog.model(composite).versions, 5);
        assertEq(planOf(planId), first);
    }

    function test_retirePlan_noSuchPlan_isRefused() public {
        refused(provider, abi.encodeCall(catalog.retirePlan, (planId + 50)), unknownPlan(planId + 50));
        refused(provider, abi.encodeCall(catalog.retirePlan, (0)), unknownPlan(0));
    }

    function test_retirePlan_notByTheOwner_isRefused(address caller) public {
        vm.assume(caller != provider);
        refused(caller, abi.encodeCall(catalog.retirePlan, (planId)), notOwner(composite, caller));
    }

    function test_retirePlan_aRetiredPlan_isRefused() public {
        retire();
        bytes memory reason = abi.encodeWithSelector(IModelCatalog.AlreadyRetired.selector, planId);
        refused(provider, abi.encodeCall(catalog.retirePlan, (planId)), reason);
    }

    function test_retirePlan_byTheOwner_closesThePlanToNewBuyers() public {
        vm.expectEmit(address(catalog));
        emit IModelCatalog.PlanRetired(planId);
        retire();
        assertFalse(catalog.isOnSale(planId));
        assertTrue(catalog.isOnSale(unitPlan), "only this plan");
    }

    function test_retirePlan_aModelThatWasSold_isForTheNewOwnerAlone() public {
        sell(composite, stranger);
        refused(provider, abi.encodeCall(catalog.retirePlan, (planId)), notOwner(composite, provider));
        vm.prank(stranger);
        catalog.retirePlan(planId);
        assertFalse(catalog.isOnSale(planId));
    }

    function test_plan_noSuchPlan_isRefused(uint64 id) public {
        vm.assume(id < planId || id > compositePlan);
        refused(stranger, abi.encodeCall(catalog.plan, (id)), unknownPlan(id));
    }

    function test_plan_aPlan_tellsAllOfIt() public view {
        expectPlan(planId, terms(), false);
    }

    function test_plan_aRetiredPlan_tellsSo() public {
        retire();
        expectPlan(planId, terms(), true);
    }

    function test_offer_noSuchPlan_isRefused(uint64 id) public {
        vm.assume(id < planId || id > compositePlan);
        refused(stranger, abi.encodeCall(catalog.offer, (id)), unknownPlan(id));
    }

    function test_offer_aPlan_tellsWhatAMarketNeeds() public view {
        expectOffer(true);
    }

    function test_offer_aRetiredPlan_tellsThatItIsNotOnSale() public {
        retire();
        expectOffer(false);
    }

    function test_isOnSale_noSuchPlan_isFalse(uint64 id) public view {
        vm.assume(id < planId || id > compositePlan);
        assertFalse(catalog.isOnSale(id));
    }

    function test_isOnSale_aPlan_isTrue() public view {
        assertTrue(catalog.isOnSale(planId));
    }

    function test_isOnSale_aRetiredPlan_isFalse() public {
        retire();
        assertFalse(catalog.isOnSale(planId));
    }

    function published(IModelCatalog.PlanTerms memory wanted, uint32 version) private {
        uint64 id = uint64(composite) << 32 | version;
        vm.expectEmit(address(catalog));
        emit IModelCatalog.PlanPublished(id, wanted, none());
        assertEq(publish(wanted), id);
        expectPlan(id, wanted, false);
        assertTrue(catalog.isOnSale(id));
        assertEq(catalog.shares(id).length, 0);
    }

    function refusedTerms(IModelCatalog.PlanTerms memory wrong, bytes memory reason) private {
        refused(provider, abi.encodeCall(catalog.publishPlan, (composite, wrong, none())), reason);
    }

    function expectPlan(uint64 id, IModelCatalog.PlanTerms memory told, bool retired) private view {
        (IModelCatalog.PlanTerms memory kept, bool isRetired) = catalog.plan(id);
        assertEq(abi.encode(kept), abi.encode(told));
        assertEq(isRetired, retired);
    }

    function expectOffer(bool onSale) private view {
        IModelCatalog.Offer memory told = catalog.offer(planId);
        assertEq(told.unitPrice, UNIT_PRICE);
        assertEq(told.periodPrice, PERIOD_PRICE);
        assertEq(told.period, PERIOD);
        assertEq(told.releaseWindow, RELEASE_WINDOW);
        assertEq(told.activationWindow, ACTIVATION_WINDOW);
        assertEq(told.onSale, onSale);
    }

    function retire() private {
        vm.prank(provider);
        catalog.retirePlan(planId);
    }
}
