// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IDigitalAssets} from "../../../contracts/interfaces/IDigitalAssets.sol";
import {AssetsUnit} from "./AssetsUnit.sol";

/// @notice ERC-4907: an asset is lent for a time.
contract RentalTest is AssetsUnit {
    function test_setUser_noSuchAsset_isRefused(uint256 number) public {
        refused(seller, abi.encodeCall(assets.setUser, (number, session, 1)), nonexistent(number));
    }

    function test_setUser_byAStranger_isRefused(address caller) public {
        vm.assume(caller != seller);
        uint256 number = made();
        bytes memory reason = abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, caller, number);
        refused(caller, abi.encodeCall(assets.setUser, (number, session, 1)), reason);
    }

    function test_setUser_aListedAsset_isRefused() public {
        uint256 number = listed(6);
        bytes memory reason = abi.encodeWithSelector(IDigitalAssets.IsListed.selector, number);
        refused(seller, abi.encodeCall(assets.setUser, (number, session, 1)), reason);
    }

    function test_setUser_byTheOwner_lendsTheAsset(address user, uint64 until) public {
        lends(seller, made(), user, uint64(bound(until, nowAt(), type(uint64).max)));
    }

    function test_setUser_byAnApprovedAddress_lendsTheAsset() public {
        uint256 number = made();
        vm.prank(seller);
        assets.approve(stranger, number);
        lends(stranger, number, session, uint64(nowAt() + 1));
    }

    function test_setUser_byAnOperator_lendsTheAsset() public {
        uint256 number = made();
        vm.prank(seller);
        assets.setApprovalForAll(stranger, true);
        lends(stranger, number, session, uint64(nowAt() + 1));
    }

    function test_setUser_aRentedAsset_mayBeRecalledAtAnyTime() public {
        (uint256 number,) = rented();
        vm.expectEmit(address(assets));
        emit IDigitalAssets.UpdateUser(number, address(0), 0);
        vm.prank(seller);
        assets.setUser(number, address(0), 0);
        assertEq(assets.userOf(number), address(0));
        assertEq(assets.userExpires(number), 0);
        vm.prank(seller);
        assets.list(number, 6);
        assertEq(assets.priceOf(number), 6);
    }

    function test_setUser_toNobody_leavesTheAssetFree(uint64 until) public {
        uint256 number = made();
        lends(seller, number, address(0), uint64(bound(until, nowAt(), type(uint64).max)));
        vm.prank(seller);
        assets.list(number, 6);
        assertEq(assets.priceOf(number), 6);
    }

    function test_userOf_anAssetNeverRented_isNobody() public {
        uint256 number = made();
        assertEq(assets.userOf(number), address(0));
        assertEq(assets.userOf(number + 1), address(0));
    }

    function test_userOf_atTheLastSecond_isTheUser(uint64 until) public {
        uint256 number = made();
        until = uint64(bound(until, nowAt(), type(uint64).max));
        lends(seller, number, session, until);
        vm.warp(until);
        assertEq(assets.userOf(number), session);
    }

    function test_userOf_aSecondLater_isNobody() public {
        (uint256 number, uint64 until) = rented();
        vm.warp(uint256(until) + 1);
        assertEq(assets.userOf(number), address(0));
    }

    function test_userExpires_anAssetNeverRented_isZero() public {
        assertEq(assets.userExpires(made()), 0);
    }

    function test_userExpires_aRentedAsset_isTheLastSecondEvenAfterIt() public {
        (uint256 number, uint64 until) = rented();
        assertEq(assets.userExpires(number), until);
        vm.warp(uint256(until) + 1 days);
        assertEq(assets.userExpires(number), until);
    }

    function lends(address caller, uint256 number, address user, uint64 until) private {
        vm.expectEmit(address(assets));
        emit IDigitalAssets.UpdateUser(number, user, until);
        vm.prank(caller);
        assets.setUser(number, user, until);
        assertEq(assets.userOf(number), user);
        assertEq(assets.userExpires(number), until);
        assertEq(assets.ownerOf(number), seller, "lent, not given");
    }
}
