// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IDigitalAssets} from "../../../contracts/interfaces/IDigitalAssets.sol";
import {Unit} from "../Unit.sol";

/// @title What the assets' unit tests share: a subscription to make them in, their books, their refusals
abstract contract AssetsUnit is Unit {
    bytes32 internal constant SHELL = keccak256("shell");
    string internal constant PLACE = "s4m:shell";

    uint96 internal id;
    address internal seller = makeAddr("seller");
    address internal stranger = makeAddr("stranger");

    function setUp() public virtual override {
        super.setUp();
        id = active(unitPlan, 100, 0);
    }

    function books() internal view override returns (bytes32 digest) {
        address[4] memory people = [buyer, seller, stranger, address(assets)];
        for (uint256 i = 0; i < people.length; ++i) {
            digest = keccak256(abi.encode(digest, assets.balanceOf(people[i]), credit.balanceOf(people[i])));
        }
        for (uint256 number = 1; number <= assets.assetCount(); ++number) {
            digest = keccak256(abi.encode(digest, assets.asset(number), assets.priceOf(number), ownerOrNobody(number)));
            digest = keccak256(abi.encode(digest, assets.userOf(number), assets.userExpires(number)));
        }
    }

    function ownerOrNobody(uint256 number) internal view returns (address) {
        try assets.ownerOf(number) returns (address owner) {
            return owner;
        } catch {
            return address(0);
        }
    }

    function refused(address caller, bytes memory call, bytes memory reason) internal {
        refused(caller, address(assets), call, reason);
    }

    /// @dev Made by the buyer, owned by the seller.
    function made() internal returns (uint256 number) {
        number = mint(SHELL);
        vm.prank(buyer);
        assets.transferFrom(buyer, seller, number);
    }

    function mint(bytes32 content) internal returns (uint256) {
        return assets.mint(buyer, content, id, PLACE, provenance(meterKey, content));
    }

    function provenance(uint256 key, bytes32 content) internal view returns (bytes memory) {
        return sign(key, assets.hashProvenance(content, buyer, id, PLACE));
    }

    function listed(uint256 price) internal returns (uint256 number) {
        number = made();
        vm.prank(seller);
        assets.list(number, price);
    }

    /// @dev Until a day from now, to the session's address.
    function rented() internal returns (uint256 number, uint64 until) {
        number = made();
        until = uint64(nowAt() + 1 days);
        vm.prank(seller);
        assets.setUser(number, session, until);
    }

    function nonexistent(uint256 number) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, number);
    }

    function notOwner(uint256 number, address caller) internal view returns (bytes memory) {
        return abi.encodeWithSelector(IDigitalAssets.NotAssetOwner.selector, number, assets.ownerOf(number), caller);
    }

    function notListed(uint256 number) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IDigitalAssets.NotListed.selector, number);
    }

    function rentedUntil(uint256 number, uint64 until) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IDigitalAssets.RentedUntil.selector, number, until);
    }
}
