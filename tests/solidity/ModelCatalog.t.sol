// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IModelCatalog} from "../../contracts/interfaces/IModelCatalog.sol";
import {House} from "./House.sol";

/// @notice Models, keys, asks, plans and shares.
contract ModelCatalogTest is House {
    IModelCatalog.Share[] private none;

    function test_register_givesTheModelToTheCaller() public {
        address maker = makeAddr("maker");
        vm.prank(maker);
        uint32 id = catalog.register(IModelCatalog.Kind.CaaS, "hash", "s4m:documents/c", meter, 250);
        assertEq(catalog.ownerOf(id), maker);
        assertEq(catalog.modelCount(), id);
        assertEq(catalog.tokenURI(id), "s4m:documents/c");
        assertEq(catalog.meterKeyOf(id), meter);
        (address receiver, uint256 royalty) = catalog.royaltyInfo(id, 10_000);
        assertEq(receiver, maker);
        assertEq(royalty, 250);
        IModelCatalog.Model memory made = catalog.model(id);
        assertEq(made.specHash, "hash");
        assertEq(made.askBps, 10_001);
        assertTrue(catalog.supportsInterface(0x80ac58cd) && catalog.supportsInterface(0x2a55205a));
    }

    function test_register_royaltyBeyondThePrice_isRefused() public {
        vm.expectRevert(
            abi.encodeWithSelector(IModelCatalog.OutOfBounds.selector, bytes32("royaltyBps"), 10_000, 10_001)
        );
        catalog.register(IModelCatalog.Kind.CaaS, 0, "", meter, 10_001);
    }

    function test_ownersCalls_byOthers_areRefused() public {
        bytes memory refusal =
            abi.encodeWithSelector(IModelCatalog.NotModelOwner.selector, composite, provider, address(this));
        vm.expectRevert(refusal);
        catalog.setMeterKey(composite, meter);
        vm.expectRevert(refusal);
        catalog.setAsk(composite, 1);
        vm.expectRevert(refusal);
        catalog.publishPlan(composite, terms(), none);
        vm.expectRevert(refusal);
        catalog.retirePlan(planId);
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.UnknownModel.selector, 77));
        catalog.setAsk(77, 1);
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.UnknownModel.selector, 0));
        catalog.model(0);
    }

    function test_transfer_clearsMeterKeyAndAsk() public {
        vm.prank(componentOwner);
        catalog.transferFrom(componentOwner, buyer, component);
        assertEq(catalog.meterKeyOf(component), address(0));
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.NeverAvailable.selector, component));
        catalog.publishPlan(composite, terms(), shareOf(component, 9_000));
    }

    function test_publishPlan_isNumberedAndKept() public {
        vm.prank(provider);
        uint64 id = catalog.publishPlan(composite, terms(), none);
        assertEq(id, uint64(composite) << 32 | 4);
        (IModelCatalog.PlanTerms memory kept, bool retired) = catalog.plan(id);
        assertEq(keccak256(abi.encode(kept)), keccak256(abi.encode(terms())));
        assertFalse(retired);
        assertEq(catalog.model(composite).versions, 4);
    }

    function test_publishPlan_bounds() public {
        IModelCatalog.PlanTerms memory wrong = terms();
        wrong.releaseWindow = 1 hours - 1;
        refused(wrong, outOfBounds("releaseWindow", 1 hours, 1 hours - 1));
        wrong.releaseWindow = 30 days + 1;
        refused(wrong, outOfBounds("releaseWindow", 30 days, 30 days + 1));
        wrong = terms();
        wrong.activationWindow = 0;
        refused(wrong, outOfBounds("activationWindow", 1, 0));
        wrong.activationWindow = 30 days + 1;
        refused(wrong, outOfBounds("activationWindow", 30 days, 30 days + 1));
        wrong = terms();
        wrong.period = 366 days + 1;
        refused(wrong, outOfBounds("period", 366 days, 366 days + 1));
        wrong.period = 0;
        refused(wrong, abi.encodeWithSelector(IModelCatalog.PeriodWithoutPrice.selector, 0, PERIOD_PRICE));
        wrong = terms();
        wrong.unitPrice = 0;
        refused(wrong, abi.encodeWithSelector(IModelCatalog.FloorWithoutUnitPrice.selector, 500));
    }

    function test_publishPlan_shareRules() public {
        vm.startPrank(provider);
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.BelowAsk.selector, component, 2_000, 1_999));
        catalog.publishPlan(composite, terms(), shareOf(component, 1_999));
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.ComponentIsComposite.selector, composite));
        catalog.publishPlan(composite, terms(), shareOf(composite, 9_000));
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.UnknownModel.selector, 99));
        catalog.publishPlan(composite, terms(), shareOf(99, 9_000));
        vm.expectRevert(outOfBounds("bps", 10_000, 10_001));
        catalog.publishPlan(composite, terms(), shareOf(component, 10_001));
        IModelCatalog.Share[] memory twice = new IModelCatalog.Share[](2);
        (twice[0], twice[1]) = (shareOf(component, 2_000)[0], shareOf(component, 2_000)[0]);
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.ComponentRepeated.selector, component));
        catalog.publishPlan(composite, terms(), twice);
        vm.expectRevert(outOfBounds("shares", 8, 9));
        catalog.publishPlan(composite, terms(), new IModelCatalog.Share[](9));
        vm.stopPrank();
        vm.prank(componentOwner);
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.SharesOnlyForComposites.selector, component));
        catalog.publishPlan(component, terms(), shareOf(component, 5_000));
    }

    function test_retirePlan_once() public {
        vm.startPrank(provider);
        catalog.retirePlan(planId);
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.AlreadyRetired.selector, planId));
        catalog.retirePlan(planId);
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.UnknownPlan.selector, planId + 50));
        catalog.retirePlan(planId + 50);
    }

    function refused(IModelCatalog.PlanTerms memory wrong, bytes memory reason) private {
        vm.prank(provider);
        vm.expectRevert(reason);
        catalog.publishPlan(composite, wrong, none);
    }

    function outOfBounds(bytes32 field, uint256 limit, uint256 given) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IModelCatalog.OutOfBounds.selector, field, limit, given);
    }
}
