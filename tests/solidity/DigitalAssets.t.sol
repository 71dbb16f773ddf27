// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDigitalAssets} from "../../contracts/interfaces/IDigitalAssets.sol";
import {House} from "./House.sol";

/// @notice Provenance, uniqueness, sale, rental.
contract DigitalAssetsTest is House {
    bytes32 private constant SHELL = keccak256("shell");
    uint96 private id;

    function setUp() public override {
        super.setUp();
        id = active(unitPlan, 100, 0);
    }

    function test_mint_byAnyone_withTheMetersSignature() public {
        vm.expectEmit();
        emit IDigitalAssets.AssetMinted(1, buyer, id, SHELL, "s4m:shell");
        assertEq(mint(SHELL), 1);
        assertEq(assets.ownerOf(1), buyer);
        assertEq(assets.tokenURI(1), "s4m:shell");
        assertEq(assets.assetOfContent(SHELL), 1);
        IDigitalAssets.Asset memory made = assets.asset(1);
        assertEq(made.creator, buyer);
        assertEq(made.subscriptionId, id);
    }

    function test_mint_copy_isRefusedNamingTheOriginal_alsoAfterBurning() public {
        mint(SHELL);
        bytes memory signed = provenance(SHELL, buyer);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.ContentExists.selector, 1));
        assets.mint(buyer, SHELL, id, "s4m:shell", signed);
        vm.prank(buyer);
        assets.burn(1);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.ContentExists.selector, 1));
        assets.mint(buyer, SHELL, id, "s4m:shell", signed);
        assertEq(assets.asset(1).contentHash, SHELL, "provenance outlives the asset");
    }

    function test_mint_withoutTheMetersSignature_isRefused() public {
        bytes memory refusal = abi.encodeWithSelector(IDigitalAssets.BadProvenance.selector, meter);
        bytes memory signed = provenance(SHELL, buyer);
        vm.expectRevert(refusal);
        assets.mint(provider, SHELL, id, "s4m:shell", signed);
        vm.expectRevert(refusal);
        assets.mint(buyer, SHELL, id, "", "");
        signed = sign(sessionKey, assets.hashProvenance(SHELL, buyer, id, "s4m:shell"));
        vm.expectRevert(refusal);
        assets.mint(buyer, SHELL, id, "s4m:shell", signed);
    }

    function test_mint_withoutAMeterKey_isRefused() public {
        bytes memory signed = provenance(SHELL, buyer);
        vm.prank(provider);
        catalog.setMeterKey(composite, address(0));
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.BadProvenance.selector, address(0)));
        assets.mint(buyer, SHELL, id, "s4m:shell", signed);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.BadProvenance.selector, address(0)));
        assets.mint(buyer, SHELL, id, "", new bytes(65));
    }

    function test_mint_whenTheSubscriptionIsNotActive_isRefused() public {
        bytes memory signed = provenance(SHELL, buyer);
        vm.prank(buyer);
        market.requestRelease(id);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.SubscriptionNotActive.selector, id));
        assets.mint(buyer, SHELL, id, "s4m:shell", signed);
    }

    function test_sale_paysSellerAndCreator(uint256 price) public {
        price = bound(price, 1, 1e12);
        mint(SHELL);
        address seller = makeAddr("seller");
        vm.prank(buyer);
        assets.transferFrom(buyer, seller, 1);
        vm.prank(seller);
        assets.list(1, price);
        address fan = fundedFan(price);
        uint256 before = credit.balanceOf(buyer);
        vm.prank(fan);
        assets.buy(1, price);
        assertEq(assets.ownerOf(1), fan);
        assertEq(assets.priceOf(1), 0);
        assertEq(credit.balanceOf(buyer) - before, price * 500 / 10_000);
        assertEq(credit.balanceOf(seller), price - price * 500 / 10_000);
        assertEq(credit.balanceOf(fan), 0);
    }

    function test_buy_atAnotherPriceThanExpected_isRefused() public {
        mint(SHELL);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.NotListed.selector, 1));
        assets.buy(1, 5);
        vm.prank(buyer);
        assets.list(1, 6);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.PriceChanged.selector, 5, 6));
        assets.buy(1, 5);
    }

    function test_transfer_voidsTheListing() public {
        mint(SHELL);
        vm.startPrank(buyer);
        assets.list(1, 6);
        vm.expectEmit();
        emit IDigitalAssets.AssetUnlisted(1);
        assets.transferFrom(buyer, provider, 1);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.NotListed.selector, 1));
        assets.buy(1, 6);
    }

    function test_list_refusals() public {
        mint(SHELL);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.NotAssetOwner.selector, 1, buyer, address(this)));
        assets.list(1, 6);
        vm.startPrank(buyer);
        vm.expectRevert(IDigitalAssets.ZeroPrice.selector);
        assets.list(1, 0);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.NotListed.selector, 1));
        assets.unlist(1);
    }

    function test_rentedAndListed_excludeEachOther() public {
        mint(SHELL);
        uint64 until = uint64(nowAt() + 1 days);
        vm.startPrank(buyer);
        assets.setUser(1, session, until);
        assertEq(assets.userOf(1), session);
        assertEq(assets.userExpires(1), until);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.RentedUntil.selector, 1, until));
        assets.list(1, 6);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.RentedUntil.selector, 1, until));
        assets.burn(1);
        vm.warp(uint256(until) + 1);
        assertEq(assets.userOf(1), address(0));
        assets.list(1, 6);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.IsListed.selector, 1));
        assets.setUser(1, session, until + 2 days);
    }

    function test_interfaces_721_2981_4907() public view {
        assertTrue(assets.supportsInterface(0x80ac58cd));
        assertTrue(assets.supportsInterface(0x2a55205a));
        assertTrue(assets.supportsInterface(0xad092b5c));
    }

    function mint(bytes32 content) private returns (uint256) {
        return assets.mint(buyer, content, id, "s4m:shell", provenance(content, buyer));
    }

    function provenance(bytes32 content, address creator) private view returns (bytes memory) {
        return sign(meterKey, assets.hashProvenance(content, creator, id, "s4m:shell"));
    }

    function fundedFan(uint256 price) private returns (address fan) {
        fan = makeAddr("fan");
        credit.faucet(fan, price);
        vm.prank(fan);
        credit.approve(address(assets), price);
    }
}
