// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {MaaSMarket} from "../../contracts/MaaSMarket.sol";
import {IMaaSMarket} from "../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../contracts/interfaces/IModelCatalog.sol";
import {House} from "./House.sol";

/// @dev A plain token of which there is more than one plan can ever earn.
contract AbundantToken is ERC20 {
    constructor(address to) ERC20("Abundant", "ABU") {
        _mint(to, 1 << 120);
    }
}

/// @notice A plan that has earned all that its books can hold: a batch still settles the rest, a buyer still gets out.
contract FullPlanTest is House {
    uint96 private constant DEAR_PERIOD = 1 << 40;
    uint88 private constant MOST = type(uint88).max;
    uint64 private constant DEAR_UNIT = type(uint64).max;

    uint64 private dear;
    uint96 private filler;
    uint96 private other;

    /// @dev 2^24 units of the dearest price leave 2^24 - 1 of the token's smallest units; one unit is still to be used.
    function setUp() public override {
        super.setUp();
        AbundantToken token = new AbundantToken(buyer);
        market = new MaaSMarket(address(catalog), address(token));
        vm.prank(buyer);
        token.approve(address(market), type(uint256).max);
        IModelCatalog.PlanTerms memory dearTerms = terms();
        (dearTerms.unitPrice, dearTerms.periodPrice) = (DEAR_UNIT, DEAR_PERIOD);
        vm.prank(provider);
        dear = catalog.publishPlan(composite, dearTerms, new IModelCatalog.Share[](0));
        filler = active(dear, 1 << 23, 1);
        other = active(dear, 5, 2);
        vm.prank(buyer);
        market.raiseCap(filler, 1 << 23);
        settle(filler, type(uint24).max);
    }

    function test_settle_roomIsCountedAcrossTheBatch_whileTheRestApplies() public {
        uint96 cheap = active(unitPlan, 100, 0);
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](3);
        (batch[0], batch[1], batch[2]) = (voucher(filler, 1 << 24), voucher(other, 1), voucher(cheap, 40));
        vm.expectEmit();
        emit IMaaSMarket.Settled(filler, 1 << 24, DEAR_UNIT, batch[0].usageRoot);
        vm.expectEmit();
        emit IMaaSMarket.Skipped(other, IMaaSMarket.SkipReason.OverCap);
        market.settle(batch);
        assertEq(earned(dear), MOST - type(uint24).max);
        assertEq(market.subscription(other).used, 0);
        assertEq(earned(unitPlan), 40 * UNIT_PRICE);
    }

    function test_time_beyondTheRoom_isSkipped_andReturnedAtTheRequest() public {
        settle(filler, 1 << 24);
        vm.warp(nowAt() + PERIOD);
        uint96[] memory ids = new uint96[](1);
        ids[0] = other;
        vm.expectEmit();
        emit IMaaSMarket.Skipped(other, IMaaSMarket.SkipReason.OverCap);
        market.collectTime(ids);
        uint256 room = type(uint24).max;
        vm.prank(buyer);
        vm.expectEmit();
        emit IMaaSMarket.ReleaseRequested(other, room, 2 * DEAR_PERIOD - room, uint64(nowAt() + RELEASE_WINDOW));
        market.requestRelease(other);
        assertEq(earned(dear), MOST);
        vm.prank(provider);
        market.release(other);
        assertEq(balance(buyer), 2 * DEAR_PERIOD - room + 5 * uint256(DEAR_UNIT));
    }
}
