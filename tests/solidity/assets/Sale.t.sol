// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IDigitalAssets} from "../../../contracts/interfaces/IDigitalAssets.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IAssetToken} from "../House.sol";
import {AwkwardToken} from "../market/AwkwardToken.sol";
import {AssetsUnit} from "./AssetsUnit.sol";

/// @notice Listed, sold, handed over.
contract SaleTest is AssetsUnit {
    address private fan = makeAddr("fan");

    function test_list_noSuchAsset_isRefused(uint256 number) public {
        refused(seller, abi.encodeCall(assets.list, (number, 6)), nonexistent(number));
    }

    function test_list_notByTheOwner_isRefused(address caller) public {
        vm.assume(caller != seller);
        uint256 number = made();
        refused(caller, abi.encodeCall(assets.list, (number, 6)), notOwner(number, caller));
    }

    function test_list_forNothing_isRefused() public {
        bytes memory call = abi.encodeCall(assets.list, (made(), 0));
        refused(seller, call, abi.encodeWithSelector(IDigitalAssets.ZeroPrice.selector));
    }

    function test_list_aRentedAsset_isRefused() public {
        (uint256 number, uint64 until) = rented();
        vm.warp(until);
        refused(seller, abi.encodeCall(assets.list, (number, 6)), rentedUntil(number, until));
    }

    function test_list_aRentalThatEnded_isListed() public {
        (uint256 number, uint64 until) = rented();
        vm.warp(uint256(until) + 1);
        isListed(number, 6);
    }

    function test_list_byTheOwner_isListedAtThatPrice(uint256 price) public {
        isListed(made(), bound(price, 1, type(uint256).max));
    }

    function test_list_aListedAsset_changesThePrice() public {
        isListed(listed(6), 7);
    }

    function test_unlist_noSuchAsset_isRefused(uint256 number) public {
        refused(seller, abi.encodeCall(assets.unlist, (number)), nonexistent(number));
    }

    function test_unlist_notByTheOwner_isRefused(address caller) public {
        vm.assume(caller != seller);
        uint256 number = listed(6);
        refused(caller, abi.encodeCall(assets.unlist, (number)), notOwner(number, caller));
    }

    function test_unlist_anAssetThatIsNotListed_isRefused() public {
        uint256 number = made();
        refused(seller, abi.encodeCall(assets.unlist, (number)), notListed(number));
    }

    function test_unlist_byTheOwner_isListedNoMore() public {
        uint256 number = listed(6);
        vm.expectEmit(address(assets));
        emit IDigitalAssets.AssetUnlisted(number);
        vm.prank(seller);
        assets.unlist(number);
        assertEq(assets.priceOf(number), 0);
        refused(fan, abi.encodeCall(assets.buy, (number, 6)), notListed(number));
    }

    function test_buy_anAssetThatIsNotListed_isRefused(uint256 price) public {
        uint256 number = made();
        refused(fan, abi.encodeCall(assets.buy, (number, price)), notListed(number));
        refused(fan, abi.encodeCall(assets.buy, (number + 1, 0)), notListed(number + 1));
    }

    function test_buy_anAssetThatWasSold_isRefused() public {
        uint256 number = listed(6);
        fund(12);
        vm.startPrank(fan);
        assets.buy(number, 6);
        vm.stopPrank();
        refused(fan, abi.encodeCall(assets.buy, (number, 6)), notListed(number));
    }

    function test_buy_atAnotherPriceThanTheListed_isRefused(uint256 price, uint256 expected) public {
        price = bound(price, 1, 1e12);
        vm.assume(expected != price);
        uint256 number = listed(price);
        fund(1e12);
        bytes memory reason = abi.encodeWithSelector(IDigitalAssets.PriceChanged.selector, expected, price);
        refused(fan, abi.encodeCall(assets.buy, (number, expected)), reason);
    }

    function test_buy_aBuyerWithTooLittle_isRefused(uint256 held) public {
        uint256 number = listed(1e9);
        held = bound(held, 0, 1e9 - 1);
        fund(held);
        uint256 royalty = 1e9 / 20;
        (uint256 left, uint256 asked) = held < royalty ? (held, uint256(1e9)) : (held - royalty, 1e9 - royalty);
        bytes4 reason = IERC20Errors.ERC20InsufficientBalance.selector;
        refused(fan, abi.encodeCall(assets.buy, (number, 1e9)), abi.encodeWithSelector(reason, fan, left, asked));
    }

    function test_buy_atTheListedPrice_paysSellerAndCreatorAndHandsTheAssetOver(uint256 price) public {
        price = bound(price, 20, 1e12);
        sold(listed(price), price, price / 20);
    }

    function test_buy_theRoyaltyRoundsToNothing_paysTheSellerAll(uint256 price) public {
        price = bound(price, 1, 19);
        vm.expectCall(address(credit), abi.encodeCall(credit.transferFrom, (fan, buyer, 0)), 0);
        sold(listed(price), price, 0);
    }

    function test_buy_aCreatorThatTheTokenRefuses_paysTheSellerAll() public {
        uint256 number = listed(1_000);
        fund(1_000);
        bytes memory royalty = abi.encodeCall(credit.transferFrom, (fan, buyer, 50));
        vm.mockCallRevert(address(credit), royalty, "blacklisted");
        vm.expectEmit(address(assets));
        emit IDigitalAssets.AssetSold(number, seller, fan, 1_000, 0);
        vm.prank(fan);
        assets.buy(number, 1_000);
        assertEq(assets.ownerOf(number), fan);
        assertEq(credit.balanceOf(seller), 1_000);
    }

    function test_buy_aSellerWhoIsTheCreator_paysItAll(uint256 price) public {
        price = bound(price, 1, 1e12);
        seller = buyer;
        mint(SHELL);
        isListed(1, price);
        fund(price);
        uint256 before = credit.balanceOf(buyer);
        vm.prank(fan);
        assets.buy(1, price);
        assertEq(credit.balanceOf(buyer) - before, price);
        assertEq(assets.ownerOf(1), fan);
    }

    function test_buy_aTokenThatReturnsFalse_isRefusedAndTheSellerKeepsTheAsset() public {
        AwkwardToken token = useAwkwardToken();
        uint256 number = listed(100);
        token.become(AwkwardToken.Vice.ReturnsFalse);
        bytes memory reason = abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token));
        refused(fan, abi.encodeCall(assets.buy, (number, 100)), reason);
        assertEq(assets.ownerOf(number), seller);
    }

    function test_buy_aTokenThatReEnters_sellsOnce() public {
        AwkwardToken token = useAwkwardToken();
        uint256 number = listed(100);
        token.reEnter(address(assets), abi.encodeCall(assets.buy, (number, 100)));
        uint256 before = token.balanceOf(buyer);
        vm.prank(fan);
        assets.buy(number, 100);
        assertTrue(token.attacked());
        assertFalse(token.attackPassed());
        assertEq(assets.ownerOf(number), fan);
        assertEq(token.balanceOf(seller), 95);
        assertEq(token.balanceOf(buyer) - before, 5);
    }

    function test_transferFrom_aListedAsset_voidsTheListing() public {
        uint256 number = listed(6);
        vm.expectEmit(address(assets));
        emit IERC721.Transfer(seller, stranger, number);
        vm.expectEmit(address(assets));
        emit IDigitalAssets.AssetUnlisted(number);
        vm.prank(seller);
        assets.transferFrom(seller, stranger, number);
        assertEq(assets.priceOf(number), 0);
        refused(fan, abi.encodeCall(assets.buy, (number, 6)), notListed(number));
    }

    function test_transferFrom_anAssetThatIsNotListed_tellsOfNoListing() public {
        uint256 number = made();
        vm.recordLogs();
        vm.prank(seller);
        assets.transferFrom(seller, stranger, number);
        assertEq(vm.getRecordedLogs().length, 1);
        assertEq(assets.ownerOf(number), stranger);
    }

    function test_transferFrom_aRentedAsset_keepsTheUser() public {
        (uint256 number, uint64 until) = rented();
        vm.prank(seller);
        assets.transferFrom(seller, stranger, number);
        assertEq(assets.userOf(number), session);
        refused(stranger, abi.encodeCall(assets.list, (number, 6)), rentedUntil(number, until));
    }

    function test_priceOf_anAssetThatIsNotListed_isZero() public {
        uint256 number = made();
        assertEq(assets.priceOf(number), 0);
        assertEq(assets.priceOf(number + 1), 0);
    }

    function test_priceOf_aListedAsset_isThePrice() public {
        assertEq(assets.priceOf(listed(6)), 6);
    }

    function test_royaltyInfo_noSuchAsset_namesNobody(uint256 number) public view {
        (address receiver,) = assets.royaltyInfo(number, 10_000);
        assertEq(receiver, address(0));
    }

    function test_royaltyInfo_anAsset_isTheCreatorsTwentieth(uint256 price) public {
        (address receiver, uint256 royalty) = assets.royaltyInfo(made(), price);
        assertEq(receiver, buyer);
        assertEq(royalty, price / 20);
    }

    function isListed(uint256 number, uint256 price) private {
        vm.expectEmit(address(assets));
        emit IDigitalAssets.AssetListed(number, seller, price);
        vm.prank(seller);
        assets.list(number, price);
        assertEq(assets.priceOf(number), price);
        assertEq(assets.ownerOf(number), seller);
    }

    function sold(uint256 number, uint256 price, uint256 royalty) private {
        fund(price);
        uint256 before = credit.balanceOf(buyer);
        vm.expectEmit(address(assets));
        emit IERC721.Transfer(seller, fan, number);
        vm.expectEmit(address(assets));
        emit IDigitalAssets.AssetSold(number, seller, fan, price, royalty);
        vm.recordLogs();
        vm.prank(fan);
        assets.buy(number, price);
        assertEq(vm.getRecordedLogs().length, royalty == 0 ? 3 : 4, "a sale is not told as unlisted too");
        assertEq(assets.ownerOf(number), fan);
        assertEq(assets.priceOf(number), 0);
        assertEq(credit.balanceOf(buyer) - before, royalty, "creator");
        assertEq(credit.balanceOf(seller), price - royalty, "seller");
        assertEq(credit.balanceOf(fan) + credit.balanceOf(address(assets)), 0, "nothing is left over");
    }

    function fund(uint256 amount) private {
        credit.faucet(fan, amount);
        vm.prank(fan);
        credit.approve(address(assets), type(uint256).max);
    }

    /// @dev Another market and registry, paid in a token with vices; the fan has 1,000 of it.
    function useAwkwardToken() private returns (AwkwardToken token) {
        token = new AwkwardToken();
        address other = address(deployMarket(address(catalog), address(token)));
        assets = deployAssets(other);
        market = IMaaSMarket(other);
        token.mint(fan, 1_000);
        vm.prank(fan);
        token.approve(address(assets), type(uint256).max);
        token.mint(buyer, 1e9);
        vm.prank(buyer);
        token.approve(other, type(uint256).max);
        id = active(unitPlan, 100, 0);
    }
}
