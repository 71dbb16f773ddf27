// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {AttackHouse} from "./AttackHouse.sol";

/// @dev What an account may delegate its code to: it says yes to every signature.
contract YesSayer {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return this.isValidSignature.selector;
    }
}

/// @notice The session key is stolen, or replaced while vouchers are pending.
contract SessionKeyAttackTest is AttackHouse {
    uint40 private constant CAP = 1_000;
    uint96 private id;
    address private fresh;
    uint256 private freshKey;

    function setUp() public override {
        super.setUp();
        (fresh, freshKey) = makeAddrAndKey("fresh");
        id = active(planId, CAP, 2);
        settle(id, 100);
    }

    /// @dev The provider settles what it holds within the window; after it only the new key counts, for the whole log.
    function test_attack_rotationWithVouchersPending_costsTheProviderNothingItSettles() public {
        IMaaSMarket.Voucher memory pending = voucher(id, 400);
        propose();
        vm.warp(nowAt() + RELEASE_WINDOW);
        settle(pending);
        vm.prank(attacker);
        market.confirmSigner(id);
        assertEq(earned(planId), 400 * UNIT_PRICE);
        sessionKey = freshKey;
        settle(id, 500);
        assertEq(earned(planId), 500 * UNIT_PRICE);
    }

    /// @dev A provider that sleeps through the window loses what was signed and not settled, and not a unit more.
    function test_attack_rotationWhileTheProviderSleeps_costsItTheUnsettledOnly() public {
        IMaaSMarket.Voucher memory pending = voucher(id, 400);
        propose();
        vm.warp(nowAt() + RELEASE_WINDOW);
        market.confirmSigner(id);
        skipped(pending, IMaaSMarket.SkipReason.BadSignature);
        assertEq(earned(planId), 100 * UNIT_PRICE, "what was settled stays earned");
        assertEq(used(id), 100);
    }

    /// @dev Confirmed and spent in one block: the thief with the old key comes a call too late.
    function test_attack_oldKeyRacesTheConfirmation_losesFromThatCallOn() public {
        propose();
        vm.warp(nowAt() + RELEASE_WINDOW);
        IMaaSMarket.Voucher memory theft = voucher(id, CAP);
        market.confirmSigner(id);
        skipped(theft, IMaaSMarket.SkipReason.BadSignature);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NothingProposed.selector, id));
        market.confirmSigner(id);
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](2);
        batch[0] = theft;
        sessionKey = freshKey;
        batch[1] = voucher(id, 101);
        market.settle(batch);
        assertEq(used(id), 101);
    }

    /// @dev The worst a thief can do, hand in hand with the provider: the cap. Time, account and tokens are out of reach.
    function test_attack_stolenKey_costsTheCapAtMost() public {
        settle(id, type(uint40).max);
        settle(id, CAP + 1);
        assertEq(used(id), 100);
        settle(id, CAP);
        assertEq(earned(planId), CAP * UNIT_PRICE);
        vm.prank(buyer);
        market.requestRelease(id);
        vm.prank(provider);
        market.release(id);
        assertEq(wealth(buyer), FUNDS - CAP * UNIT_PRICE, "all time comes back");
    }

    function test_attack_stolenKey_opensNothingElse() public {
        uint96 other = buy(planId, 10, 1);
        bytes32 kept = books(id);
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory bySession = sign(sessionKey, market.hashOrder(wanted));
        vm.startPrank(session);
        bytes memory notBuyer = abi.encodeWithSelector(IMaaSMarket.NotBuyer.selector, buyer, session);
        vm.expectRevert(notBuyer);
        market.proposeSigner(id, attacker);
        vm.expectRevert(notBuyer);
        market.requestRelease(id);
        vm.expectRevert(wrongStatus(IMaaSMarket.Status.Releasing, IMaaSMarket.Status.Active));
        market.release(id);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NothingProposed.selector, id));
        market.confirmSigner(id);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.InsufficientBalance.selector, 1, 0));
        market.withdraw(1);
        vm.expectRevert(notSignedBy(buyer));
        market.buyFor(wanted, bySession, noPermit());
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.TooEarly.selector, nowAt() + ACTIVATION_WINDOW + 1, nowAt()));
        market.refund(other);
        assertEq(books(id), kept);
    }

    /// @dev The thief cannot hold the buyer in: a rotation proposed is a rotation confirmed, whatever it signs meanwhile.
    function test_attack_thiefSignsOn_cannotStopTheRotation() public {
        propose();
        settle(id, 200);
        vm.prank(session);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NotBuyer.selector, buyer, session));
        market.proposeSigner(id, session);
        vm.warp(nowAt() + RELEASE_WINDOW);
        settle(id, 300);
        market.confirmSigner(id);
        assertEq(market.subscription(id).signer, fresh);
    }

    /// @dev An oversized voucher of the thief becomes payable as the cap grows; whoever raises it pays for that himself.
    function test_attack_capRaisedToCashAnOversizedVoucher_isPaidByTheRaiser() public {
        IMaaSMarket.Voucher memory oversized = voucher(id, 3 * CAP);
        credit.faucet(provider, FUNDS);
        vm.startPrank(provider);
        credit.approve(address(market), FUNDS);
        market.raiseCap(id, 2 * CAP);
        settle(oversized);
        market.payout(planId);
        vm.stopPrank();
        assertEq(credit.balanceOf(provider), FUNDS + CAP * UNIT_PRICE, "the buyer's own cap, and its own money back");
        assertEq(wealth(buyer), FUNDS - market.quote(planId, CAP, 2));
    }

    function test_attack_proposalLeftOver_isVoidAfterARequest() public {
        propose();
        vm.prank(buyer);
        market.requestRelease(id);
        vm.warp(nowAt() + RELEASE_WINDOW);
        vm.expectRevert(wrongStatus(IMaaSMarket.Status.Active, IMaaSMarket.Status.Releasing));
        market.confirmSigner(id);
        settle(id, 150);
        assertEq(used(id), 150, "the provider's vouchers hold through the window");
    }

    /// @dev EIP-7702: a delegated account has code, so it is refused as a session key; delegating later changes nothing.
    function test_attack_delegatedSessionKey_signsOnlyWithItsKey() public {
        YesSayer yes = new YesSayer();
        vm.signAndAttachDelegation(address(yes), sessionKey);
        assertGt(session.code.length, 0, "delegated");
        vm.startPrank(buyer);
        bytes memory refusal = abi.encodeWithSelector(IMaaSMarket.SignerHasCode.selector, session);
        vm.expectRevert(refusal);
        market.buy(planId, session, 1, 1, REQUEST);
        vm.expectRevert(refusal);
        market.proposeSigner(id, session);
        vm.stopPrank();
        IMaaSMarket.Voucher memory forged = voucher(id, 200);
        (forged.r, forged.vs) = compact(attackerKey, market.hashVoucher(id, 200, forged.usageRoot));
        skipped(forged, IMaaSMarket.SkipReason.BadSignature);
        settle(id, 200);
        assertEq(used(id), 200, "its code has no voice, its key has");
    }

    /// @dev EIP-7702: a buyer with delegated code still buys by its key; its code answers for it only as it chose.
    function test_attack_delegatedBuyer_buysByItsKey() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory forged = sign(attackerKey, market.hashOrder(wanted));
        vm.expectRevert(notSignedBy(buyer));
        market.buyFor(wanted, forged, noPermit());
        vm.signAndAttachDelegation(address(credit), buyerKey); // code without isValidSignature
        vm.expectRevert(notSignedBy(buyer));
        market.buyFor(wanted, forged, noPermit());
        market.buyFor(wanted, sign(buyerKey, market.hashOrder(wanted)), noPermit());
        assertEq(nonceOf(buyer), 2);
    }

    function propose() private {
        vm.prank(buyer);
        market.proposeSigner(id, fresh);
    }
}
