// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {CatalogUnit} from "./CatalogUnit.sol";

/// @notice What a composite's plan gives to its components, and to whom it belongs.
contract SharesTest is CatalogUnit {
    uint16 private constant ASK = 2_000;

    function test_publishPlan_withShares_isRefused() public {
        bytes memory call = abi.encodeCall(catalog.publishPlan, (component, terms(), shareOf(component, ASK)));
        bytes4 reason = IModelCatalog.SharesOnlyForComposites.selector;
        refused(componentOwner, call, abi.encodeWithSelector(reason, component));
    }

    function test_publishPlan_withoutShares_isPublished() public {
        vm.prank(componentOwner);
        uint64 id = catalog.publishPlan(component, terms(), none());
        assertEq(id, uint64(component) << 32 | 1);
        assertTrue(catalog.isOnSale(id));
    }

    function test_publishPlan_withMoreThanEightShares_isRefused(uint8 count) public {
        count = uint8(bound(count, 9, 40));
        refusedShares(new IModelCatalog.Share[](count), outOfBounds("shares", 8, count));
    }

    function test_publishPlan_withEightShares_isPublished() public {
        published(crowd(8, 1_000));
    }

    function test_publishPlan_theSharesTakeMoreThanEverything_isRefused() public {
        refusedShares(shareOf(component, 10_001), outOfBounds("bps", 10_000, 10_001));
        refusedShares(crowd(8, 1_251), outOfBounds("bps", 10_000, 10_008));
    }

    function test_publishPlan_theSharesTakeEverything_isPublished() public {
        published(shareOf(component, 10_000));
        published(crowd(8, 1_250));
    }

    function test_publishPlan_aComponentIsNoModel_isRefused(uint32 id) public {
        if (id != 0) id = uint32(bound(id, 3, type(uint32).max));
        refusedShares(shareOf(id, 9_000), unknownModel(id));
    }

    function test_publishPlan_aComponentIsAComposite_isRefused() public {
        vm.startPrank(stranger);
        uint32 other = catalog.register(IModelCatalog.Kind.Composite, "spec", "s4m:documents/c", meter, 0);
        catalog.setAsk(other, 0);
        vm.stopPrank();
        bytes4 reason = IModelCatalog.ComponentIsComposite.selector;
        refusedShares(shareOf(other, 9_000), abi.encodeWithSelector(reason, other));
    }

    function test_publishPlan_aComponentIsItself_isRefused() public {
        bytes4 reason = IModelCatalog.ComponentIsComposite.selector;
        refusedShares(shareOf(composite, 9_000), abi.encodeWithSelector(reason, composite));
    }

    function test_publishPlan_aComponentIsNamedTwice_isRefused() public {
        IModelCatalog.Share[] memory twice = crowd(4, 1_000);
        twice[3] = twice[1];
        bytes4 reason = IModelCatalog.ComponentRepeated.selector;
        refusedShares(twice, abi.encodeWithSelector(reason, twice[1].modelId));
    }

    function test_publishPlan_aComponentThatWasNeverOffered_isRefused() public {
        vm.prank(stranger);
        uint32 shy = catalog.register(IModelCatalog.Kind.CaaS, "spec", "s4m:documents/c", meter, 0);
        refusedShares(shareOf(shy, 10_000), neverAvailable(shy));
        vm.prank(stranger);
        catalog.setAsk(shy, 10_001);
        refusedShares(shareOf(shy, 10_001), neverAvailable(shy));
    }

    function test_publishPlan_aComponentThatWasSold_isRefusedUntilTheNewOwnerAsks() public {
        sell(component, stranger);
        refusedShares(shareOf(component, 9_000), neverAvailable(component));
        vm.prank(stranger);
        catalog.setAsk(component, 9_000);
        published(shareOf(component, 9_000));
    }

    function test_publishPlan_belowAComponentsAsk_isRefused(uint16 bps) public {
        bps = uint16(bound(bps, 0, ASK - 1));
        bytes memory reason = abi.encodeWithSelector(IModelCatalog.BelowAsk.selector, component, ASK, bps);
        refusedShares(shareOf(component, bps), reason);
    }

    function test_publishPlan_atOrAboveAComponentsAsk_isPublished(uint16 bps) public {
        published(shareOf(component, uint16(bound(bps, ASK, 10_000))));
    }

    function test_publishPlan_anAskRaisedSince_keepsThePublishedShare() public {
        vm.prank(componentOwner);
        catalog.setAsk(component, 10_001);
        assertEq(abi.encode(catalog.shares(compositePlan)), abi.encode(shareOf(component, 3_000)));
        assertTrue(catalog.isOnSale(compositePlan));
        refusedShares(shareOf(component, 3_000), neverAvailable(component));
    }

    function test_shares_noSuchPlan_isEmpty(uint64 id) public view {
        vm.assume(id != compositePlan);
        assertEq(catalog.shares(id).length, 0);
    }

    function test_shares_aPlanWithoutShares_isEmpty() public view {
        assertEq(catalog.shares(planId).length, 0);
    }

    function test_shares_aPlanWithShares_tellsEachInItsOrder() public {
        IModelCatalog.Share[] memory shares = crowd(5, 100);
        for (uint16 i = 0; i < 5; ++i) {
            shares[i].bps += i;
        }
        assertEq(abi.encode(catalog.shares(publish(shares))), abi.encode(shares));
    }

    function published(IModelCatalog.Share[] memory shares) private {
        uint64 id = uint64(composite) << 32 | (catalog.model(composite).versions + 1);
        vm.expectEmit(address(catalog));
        emit IModelCatalog.PlanPublished(id, terms(), shares);
        assertEq(publish(shares), id);
        assertEq(abi.encode(catalog.shares(id)), abi.encode(shares));
        assertTrue(catalog.isOnSale(id));
    }

    function refusedShares(IModelCatalog.Share[] memory shares, bytes memory reason) private {
        refused(provider, abi.encodeCall(catalog.publishPlan, (composite, terms(), shares)), reason);
    }

    /// @dev Fresh components that anyone may use for nothing, each with this share.
    function crowd(uint256 count, uint16 bps) private returns (IModelCatalog.Share[] memory shares) {
        shares = new IModelCatalog.Share[](count);
        vm.startPrank(componentOwner);
        for (uint256 i = 0; i < count; ++i) {
            uint32 id = catalog.register(IModelCatalog.Kind.TaaS, "spec", "s4m:documents/c", meter, 0);
            catalog.setAsk(id, 0);
            shares[i] = IModelCatalog.Share({modelId: id, bps: bps});
        }
        vm.stopPrank();
    }

    function neverAvailable(uint32 id) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IModelCatalog.NeverAvailable.selector, id);
    }
}
