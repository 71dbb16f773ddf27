// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {stdError} from "forge-std/StdError.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {AttackHouse} from "./AttackHouse.sol";

/// @dev A contract account (ERC-1271) in every bad mood.
contract MoodyWallet {
    enum Mood {
        Kind,
        Reverts,
        AnswersTrue,
        AnswersShort,
        AnswersShifted,
        AnswersEndlessly,
        EatsAllGas,
        ReEnters
    }

    Mood private _mood;
    address private _target;
    bytes private _strike;

    function turn(Mood mood, address target, bytes calldata strike) external {
        (_mood, _target, _strike) = (mood, target, strike);
    }

    function run(address target, bytes calldata data) external {
        (bool ok,) = target.call(data);
        require(ok, "run");
    }

    function isValidSignature(bytes32, bytes calldata) external returns (bytes4) {
        bytes4 yes = this.isValidSignature.selector;
        if (_mood == Mood.Reverts) revert("no");
        if (_mood == Mood.EatsAllGas) while (true) {}
        if (_mood == Mood.ReEnters) {
            (bool ok,) = _target.call(_strike);
            require(ok, "the strike failed");
        }
        uint256 length = _mood == Mood.AnswersShort ? 4 : _mood == Mood.AnswersEndlessly ? 500_000 : 32;
        bytes32 word = _mood == Mood.AnswersTrue || _mood == Mood.AnswersEndlessly
            ? bytes32(uint256(1))
            : _mood == Mood.AnswersShifted ? bytes32(uint256(uint32(yes))) : bytes32(yes);
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, word)
            return(free, length)
        }
    }
}

/// @notice A contract account answers badly when asked for its signature; only its own purchase fails.
contract WalletAttackTest is AttackHouse {
    MoodyWallet private wallet;

    function setUp() public override {
        super.setUp();
        wallet = new MoodyWallet();
        credit.faucet(address(wallet), FUNDS);
        wallet.run(address(credit), abi.encodeCall(credit.approve, (address(market), type(uint256).max)));
    }

    function test_attack_walletAnswersGarbage_buysNothing() public {
        IMaaSMarket.Order memory wanted = walletOrder();
        MoodyWallet.Mood[5] memory moods = [
            MoodyWallet.Mood.Reverts,
            MoodyWallet.Mood.AnswersTrue,
            MoodyWallet.Mood.AnswersShort,
            MoodyWallet.Mood.AnswersShifted,
            MoodyWallet.Mood.AnswersEndlessly
        ];
        for (uint256 i = 0; i < moods.length; ++i) {
            wallet.turn(moods[i], address(0), "");
            vm.expectRevert(notSignedBy(address(wallet)));
            market.buyFor(wanted, "", noPermit());
        }
        assertEq(wealth(address(wallet)), FUNDS);
        assertEq(nonceOf(address(wallet)), 0);
        wallet.turn(MoodyWallet.Mood.Kind, address(0), "");
        market.buyFor(wanted, "", noPermit());
        assertEq(wealth(address(wallet)), FUNDS - wanted.total);
    }

    /// @dev It burns its relayer's gas and nobody's money; a relayer tries the call before it sends it.
    function test_attack_walletEatsAllGas_costsTheRelayerItsGas() public {
        IMaaSMarket.Order memory wanted = walletOrder();
        wallet.turn(MoodyWallet.Mood.EatsAllGas, address(0), "");
        bytes memory data = abi.encodeCall(IMaaSMarket.buyFor, (wanted, "", noPermit()));
        (bool ok,) = address(market).call{gas: 2_000_000}(data);
        assertFalse(ok);
        assertEq(wealth(address(wallet)), FUNDS);
        assertEq(nonceOf(address(wallet)), 0);
    }

    /// @dev It is asked by a static call: it can change nothing meanwhile, neither at the market nor in the token.
    function test_attack_walletReEnters_buysNothing() public {
        IMaaSMarket.Order memory wanted = walletOrder();
        wallet.run(address(market), abi.encodeCall(IMaaSMarket.deposit, (address(wallet), 10e6)));
        bytes[4] memory strikes = [
            abi.encodeCall(IMaaSMarket.buyFor, (wanted, "", noPermit())),
            abi.encodeCall(IMaaSMarket.withdraw, (10e6)),
            abi.encodeCall(IMaaSMarket.cancelOrders, (9)),
            abi.encodeCall(IMaaSMarket.deposit, (attacker, 1))
        ];
        for (uint256 i = 0; i < strikes.length; ++i) {
            wallet.turn(MoodyWallet.Mood.ReEnters, address(market), strikes[i]);
            vm.expectRevert(notSignedBy(address(wallet)));
            market.buyFor(wanted, "", noPermit());
        }
        assertEq(balance(address(wallet)), 10e6);
        assertEq(nonceOf(address(wallet)), 0);
    }

    /// @dev Contracts that never signed anything, though they hold or are money.
    function test_attack_orderOfAContractThatCannotSign_buysNothing() public {
        vm.startPrank(attacker);
        market.deposit(address(market), 100e6);
        market.deposit(address(credit), 100e6);
        address[5] memory mute = [address(market), address(credit), address(catalog), address(1), address(0x100)];
        for (uint256 i = 0; i < mute.length; ++i) {
            IMaaSMarket.Order memory wanted = order(10, 1);
            (wanted.buyer, wanted.signer, wanted.nonce) = (mute[i], attacker, 0);
            bytes memory signature = sign(attackerKey, market.hashOrder(wanted));
            vm.expectRevert(notSignedBy(mute[i]));
            market.buyFor(wanted, signature, noPermit());
        }
        assertEq(balance(address(market)) + balance(address(credit)), 200e6);
    }

    function walletOrder() private view returns (IMaaSMarket.Order memory wanted) {
        wanted = order(10, 1);
        wanted.buyer = address(wallet);
    }
}

/// @notice Gifts, dust, dealing with oneself, and what a stranger may do to another's account and subscription.
contract GiftAttackTest is AttackHouse {
    uint96 private id;

    function setUp() public override {
        super.setUp();
        id = active(planId, 100, 1);
    }

    /// @dev Dust on the buyer's account shifts what is pulled, never what is paid; the signed total still fits.
    function test_attack_dustDeposited_spoilsNoOrder(uint256 dust) public {
        dust = bound(dust, 1, 100e6);
        IMaaSMarket.Order memory wanted = order(1_000, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        vm.prank(buyer);
        credit.approve(address(market), 0);
        IMaaSMarket.Permit memory permit = permitFor(wanted.total);
        uint256 before = wealth(buyer);
        vm.prank(attacker);
        market.deposit(buyer, dust);
        market.buyFor(wanted, signature, permit);
        assertEq(wealth(buyer), before + dust - wanted.total);
        assertEq(wealth(attacker), FUNDS - dust, "the dust is the buyer's");
    }

    /// @dev Cap and time that a stranger adds come back to the buyer; they neither hold it in nor cost it anything.
    function test_attack_giftsOfCapAndTime_areTheBuyers() public {
        vm.startPrank(attacker);
        market.raiseCap(id, 50);
        market.renew(id, 3);
        vm.stopPrank();
        uint256 gift = 50 * UNIT_PRICE + 3 * uint256(PERIOD_PRICE);
        assertEq(wealth(attacker), FUNDS - gift);
        vm.prank(buyer);
        market.requestRelease(id);
        vm.warp(nowAt() + RELEASE_WINDOW);
        market.release(id);
        assertEq(wealth(buyer), FUNDS + gift);
    }

    function test_attack_tokensSentWithoutDeposit_areNobodys() public {
        vm.startPrank(attacker);
        assertTrue(credit.transfer(address(market), 5e6));
        assertTrue(credit.transfer(address(assets), 5e6));
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.InsufficientBalance.selector, 5e6, 0));
        market.withdraw(5e6);
        vm.stopPrank();
        settle(id, 100);
        market.payout(planId);
        assertEq(credit.balanceOf(provider), 100 * UNIT_PRICE, "donations do not swell a payout");
    }

    /// @dev The model's owner buys from itself, uses and pays itself: what goes round comes back, less the component's share.
    function test_attack_ownerBuysItsOwnService_gainsNothing() public {
        credit.faucet(provider, FUNDS);
        vm.startPrank(provider);
        credit.approve(address(market), FUNDS);
        uint96 own = market.buy(compositePlan, session, 1_000, 2, REQUEST);
        activate(own);
        settle(own, 700);
        market.requestRelease(own);
        market.release(own);
        market.payout(compositePlan);
        market.payoutShare(compositePlan, component);
        market.withdraw(balance(provider));
        vm.stopPrank();
        uint256 share = 700 * UNIT_PRICE * 3_000 / 10_000;
        assertEq(credit.balanceOf(provider), FUNDS - share);
        assertEq(credit.balanceOf(componentOwner), share);
        assertEq(wealth(buyer), FUNDS - market.quote(planId, 100, 1), "others' reserves are untouched");
    }

    /// @dev Whoever cancels up to the last nonce can buy no more; what it has, and what runs, stays in its hands.
    function test_attack_ordersCancelledToTheLastNonce_lockNoMoney() public {
        vm.startPrank(buyer);
        market.deposit(buyer, 10e6);
        market.cancelOrders(type(uint64).max);
        vm.expectRevert(stdError.arithmeticError);
        market.buy(planId, session, 1, 1, REQUEST);
        vm.expectRevert();
        market.cancelOrders(type(uint64).max);
        market.raiseCap(id, 1);
        market.renew(id, 1);
        market.requestRelease(id);
        vm.warp(nowAt() + RELEASE_WINDOW);
        market.release(id);
        market.withdraw(balance(buyer));
        assertEq(credit.balanceOf(buyer), FUNDS);
    }

    function test_attack_strangerOnAnothersAccount_movesNothing() public {
        uint96 asleep = buy(planId, 10, 1);
        bytes32 kept = books(id);
        vm.startPrank(attacker);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.InsufficientBalance.selector, 1, 0));
        market.withdraw(1);
        bytes memory notBuyer = abi.encodeWithSelector(IMaaSMarket.NotBuyer.selector, buyer, attacker);
        vm.expectRevert(notBuyer);
        market.proposeSigner(id, attacker);
        vm.expectRevert(notBuyer);
        market.requestRelease(id);
        vm.expectRevert(wrongStatus(IMaaSMarket.Status.Releasing, IMaaSMarket.Status.Active));
        market.release(id);
        vm.expectRevert(wrongStatus(IMaaSMarket.Status.Active, IMaaSMarket.Status.Purchased));
        market.renew(asleep, 1);
        market.cancelOrders(99);
        market.payout(planId);
        collect(id);
        vm.stopPrank();
        assertEq(books(id), kept);
        assertEq(nonceOf(buyer), 2, "cancelling is for one's own orders");
    }
}
