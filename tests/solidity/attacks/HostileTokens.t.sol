// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {AttackHouse} from "./AttackHouse.sol";
import {HostileToken} from "./HostileToken.sol";

/// @notice The money itself turns against its users, after they have trusted it: a fee, a lie, a stop, a blacklist.
contract HostileTokensAttackTest is AttackHouse {
    uint256 private constant KEPT = 300e6;
    bytes32 private constant SHELL = keccak256("shell");

    HostileToken private token;
    uint96 private running;
    uint96 private timed;

    /// @dev The composite has earned; 30 % of it are the component's. Buyer and attacker have accounts.
    function setUp() public override {
        super.setUp();
        token = new HostileToken();
        market = deployMarket(address(catalog), address(token));
        assets = deployAssets(address(market));
        enter(buyer);
        enter(attacker);
        running = active(compositePlan, 1_000, 1);
        timed = active(planId, 10, 1);
        settle(running, 400);
    }

    function test_attack_fee_isRefusedAtEveryDoorIn_andMovesNothing() public {
        bytes[5] memory doors = doorsIn();
        IMaaSMarket.Order memory wanted = order(20_000, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        token.become(HostileToken.Vice.Fee);
        bytes32 kept = state();
        for (uint256 i = 0; i < doors.length; ++i) {
            refusedAt(doors[i], IMaaSMarket.TokenMisbehaved.selector);
        }
        vm.expectPartialRevert(IMaaSMarket.TokenMisbehaved.selector);
        market.buyFor(wanted, signature, noPermit());
        assertEq(state(), kept);
    }

    /// @dev A fee that the receiver pays leaves the market whole: what it owed it has sent, to the unit.
    function test_attack_feeOnTheWayOut_isTheReceiversOnly() public {
        token.become(HostileToken.Vice.Fee);
        uint256 held = token.balanceOf(address(market));
        vm.prank(buyer);
        market.withdraw(100e6);
        assertEq(token.balanceOf(address(market)), held - 100e6);
        market.payout(compositePlan);
        uint256 due = 400 * uint256(UNIT_PRICE) * 7 / 10;
        assertEq(token.balanceOf(provider), due - due / 100);
        assertEq(token.balanceOf(address(market)), held - 100e6 - due);
        assertEq(balance(attacker), KEPT);
    }

    /// @dev A sale outside the market's books: the seller gets what its token lets through, the fan pays the price.
    function test_attack_feeOnASale_costsTheFanThePriceOnly() public {
        listed(1_000);
        token.become(HostileToken.Vice.Fee);
        uint256 before = token.balanceOf(attacker);
        uint256 sellerBefore = token.balanceOf(buyer);
        vm.prank(attacker);
        assets.buy(1, 1_000);
        assertEq(before - token.balanceOf(attacker), 1_000);
        assertEq(
            token.balanceOf(buyer) - sellerBefore, 941 + 50, "950 less one in a hundred; the seller is the creator"
        );
        assertEq(token.balanceOf(address(assets)), 0);
    }

    function test_attack_falseReturned_creditsNobody_andPaysNobodyTwice() public {
        bytes[5] memory doors = doorsIn();
        listed(1_000);
        token.become(HostileToken.Vice.ReturnsFalse);
        bytes32 kept = state();
        for (uint256 i = 0; i < doors.length; ++i) {
            refusedAt(doors[i], SafeERC20.SafeERC20FailedOperation.selector);
        }
        refusedAt(abi.encodeCall(IMaaSMarket.withdraw, (1)), SafeERC20.SafeERC20FailedOperation.selector);
        refusedAt(abi.encodeCall(IMaaSMarket.payout, (compositePlan)), SafeERC20.SafeERC20FailedOperation.selector);
        refusedAt(
            abi.encodeCall(IMaaSMarket.payoutShare, (compositePlan, component)),
            SafeERC20.SafeERC20FailedOperation.selector
        );
        vm.prank(attacker);
        vm.expectRevert();
        assets.buy(1, 1_000);
        assertEq(assets.ownerOf(1), buyer);
        assertEq(state(), kept);
        token.become(HostileToken.Vice.None);
        drawsToTheUnit();
    }

    function test_attack_nothingReturned_isTaken_toTheUnit() public {
        token.become(HostileToken.Vice.ReturnsNothing);
        listed(1_000);
        vm.prank(attacker);
        assets.buy(1, 1_000);
        assertEq(assets.ownerOf(1), attacker);
        vm.prank(attacker);
        market.withdraw(KEPT);
        drawsToTheUnit();
    }

    /// @dev While the token stands still, everything that moves no token goes on; nothing that was due is lost.
    function test_attack_stoppedToken_delaysPayOnly() public {
        token.become(HostileToken.Vice.Stopped);
        refusedAt(abi.encodeCall(IMaaSMarket.withdraw, (1)), HostileToken.Refused.selector);
        refusedAt(abi.encodeCall(IMaaSMarket.payout, (compositePlan)), HostileToken.Refused.selector);
        settle(timed, 10);
        uint96 id = active(unitPlan, 100, 0);
        settle(id, 100);
        vm.startPrank(buyer);
        market.requestRelease(running);
        market.requestRelease(id);
        vm.stopPrank();
        vm.prank(provider);
        market.release(running);
        token.become(HostileToken.Vice.None);
        market.payout(unitPlan);
        assertEq(token.balanceOf(provider), 100 * UNIT_PRICE);
        uint256 rest = balance(buyer);
        vm.prank(buyer);
        market.withdraw(rest);
        assertEq(token.balanceOf(buyer), 700e6 + rest);
    }

    function test_attack_blacklistedBuyer_blocksItsWithdrawalOnly() public {
        token.blacklist(buyer, true);
        vm.prank(buyer);
        vm.expectRevert(HostileToken.Refused.selector);
        market.withdraw(1);
        vm.prank(buyer);
        market.requestRelease(running);
        vm.warp(nowAt() + RELEASE_WINDOW);
        market.release(running);
        vm.prank(attacker);
        market.withdraw(KEPT);
        drawsToTheUnit();
        token.blacklist(buyer, false);
        uint256 rest = balance(buyer);
        vm.prank(buyer);
        market.withdraw(rest);
        assertEq(token.balanceOf(buyer), 700e6 + rest);
    }

    function test_attack_blacklistedComponent_blocksItsShareOnly() public {
        token.blacklist(componentOwner, true);
        vm.expectRevert(HostileToken.Refused.selector);
        market.payoutShare(compositePlan, component);
        market.payout(compositePlan);
        assertEq(token.balanceOf(provider), 400 * uint256(UNIT_PRICE) * 7 / 10);
        settle(running, 500);
        market.payout(compositePlan);
        assertEq(token.balanceOf(provider), 500 * uint256(UNIT_PRICE) * 7 / 10);
        vm.prank(componentOwner);
        catalog.transferFrom(componentOwner, attacker, component);
        uint256 before = token.balanceOf(attacker);
        market.payoutShare(compositePlan, component);
        assertEq(token.balanceOf(attacker) - before, 500 * uint256(UNIT_PRICE) * 3 / 10, "it waited for an owner");
    }

    function test_attack_blacklistedProvider_blocksItsPartOnly() public {
        token.blacklist(provider, true);
        vm.expectRevert(HostileToken.Refused.selector);
        market.payout(compositePlan);
        market.payoutShare(compositePlan, component);
        assertEq(token.balanceOf(componentOwner), 400 * uint256(UNIT_PRICE) * 3 / 10);
        vm.prank(buyer);
        market.requestRelease(timed);
        vm.warp(nowAt() + RELEASE_WINDOW);
        uint256 before = balance(buyer);
        market.release(timed);
        assertEq(balance(buyer) - before, 10 * UNIT_PRICE);
    }

    /// @dev An account that the token refuses as payer cannot be made to pay, nor can its gift be forced on anybody.
    function test_attack_blacklistedPayer_movesNothing() public {
        bytes[5] memory doors = doorsIn();
        token.blacklist(buyer, true);
        bytes32 kept = state();
        for (uint256 i = 0; i < doors.length; ++i) {
            refusedAt(doors[i], HostileToken.Refused.selector);
        }
        assertEq(state(), kept);
    }

    function test_attack_doors_areOpenWhileTheTokenIsHonest() public {
        bytes[5] memory doors = doorsIn();
        uint256 clean = vm.snapshotState();
        for (uint256 i = 0; i < doors.length; ++i) {
            uint256 held = token.balanceOf(address(market));
            vm.prank(buyer);
            (bool ok,) = address(market).call(doors[i]);
            assertTrue(ok);
            assertGt(token.balanceOf(address(market)), held, "it pulls");
            assertTrue(vm.revertToState(clean));
        }
    }

    /// @dev Everything that pulls tokens from the buyer, each with a shortfall.
    function doorsIn() private view returns (bytes[5] memory) {
        return [
            abi.encodeCall(IMaaSMarket.deposit, (buyer, 10e6)),
            abi.encodeCall(IMaaSMarket.depositWithPermit, (buyer, 10e6, noPermit())),
            abi.encodeCall(IMaaSMarket.buy, (unitPlan, session, 20_000, 0, REQUEST)),
            abi.encodeCall(IMaaSMarket.raiseCap, (running, 20_000)),
            abi.encodeCall(IMaaSMarket.renew, (timed, 400))
        ];
    }

    function refusedAt(bytes memory door, bytes4 why) private {
        vm.prank(buyer);
        (bool ok, bytes memory said) = address(market).call(door);
        assertFalse(ok);
        assertEq(bytes4(said), why);
    }

    function drawsToTheUnit() private {
        market.payout(compositePlan);
        market.payoutShare(compositePlan, component);
        assertEq(token.balanceOf(provider), 400 * uint256(UNIT_PRICE) * 7 / 10);
        assertEq(token.balanceOf(componentOwner), 400 * uint256(UNIT_PRICE) * 3 / 10);
    }

    function state() private view returns (bytes32) {
        bytes memory subs = abi.encode(market.subscription(running), market.subscription(timed), market.statusOf(timed));
        bytes memory rows = abi.encode(balance(buyer), nonceOf(buyer), balance(attacker), earned(compositePlan));
        bytes memory tokens = abi.encode(
            token.balanceOf(buyer),
            token.balanceOf(address(market)),
            token.balanceOf(provider),
            token.balanceOf(attacker)
        );
        return keccak256(abi.encode(subs, rows, tokens));
    }

    function listed(uint256 price) private {
        bytes memory signed = sign(meterKey, assets.hashProvenance(SHELL, buyer, running, "s4m:shell"));
        assets.mint(buyer, SHELL, running, "s4m:shell", signed);
        vm.prank(attacker);
        token.approve(address(assets), type(uint256).max);
        vm.prank(buyer);
        assets.list(1, price);
    }

    function enter(address someone) private {
        token.mint(someone, 700e6 + KEPT);
        vm.startPrank(someone);
        token.approve(address(market), type(uint256).max);
        market.deposit(someone, KEPT);
        vm.stopPrank();
    }
}
