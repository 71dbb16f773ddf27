// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Vm} from "forge-std/Vm.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {Owning} from "./Owning.sol";
import {ShiftyToken} from "./ShiftyToken.sol";

/// @title Steps of a token that changes its vice, and re-enters the market as a buyer; none with a fair token
abstract contract Vices is Owning {
    ShiftyToken private immutable shifty;
    bool private _aimsAtMoney;
    uint256 public attacksOnMoney;
    uint256 public attacksOnState;
    uint256 public attacksThatPassed;

    /// @param holderKey signs for the token as a buyer; zero where the token is fair
    constructor(uint256 holderKey) {
        if (holderKey == 0) return;
        shifty = ShiftyToken(address(token));
        keyOf[address(token)] = holderKey;
        people.push(address(token));
        buyers.push(address(token));
        _fund(address(token));
    }

    function turnFair(uint256 seed) external {
        shifty.become(ShiftyToken.Vice(_dice(seed, 0) % 2));
        _count(true);
    }

    function turnBad(uint256 seed) external {
        shifty.become(ShiftyToken.Vice(3 + _dice(seed, 0) % 6));
        _count(true);
    }

    /// @dev To prepare an attack may need a purchase, at which the one before still strikes: it is judged as what it was.
    function turnOnMoney(uint256 seed) external {
        bytes memory attack = _attackOnMoney(seed);
        _aimsAtMoney = true;
        shifty.reEnter(address(market), attack);
        _count(true);
    }

    function turnOnState(uint256 seed) external {
        bytes memory attack = _attackOnState(seed);
        _aimsAtMoney = false;
        shifty.reEnter(address(market), attack);
        _count(true);
    }

    /// @dev Invariant 8: a fee may fall on who sends to the market or receives from it, never on the market: then the call
    ///      is refused, as with any worse vice; and no call that re-enters where money moves passes. That what does pass
    ///      costs nobody anything is invariants 1, 3 and 5, as with any token.
    function _call(address target, address caller, address consenting, bytes memory call)
        internal
        override
        returns (bool passed, Vm.Log[] memory logs)
    {
        if (target != address(market) || address(shifty) == address(0)) {
            return super._call(target, caller, consenting, call);
        }
        uint256 before = token.balanceOf(address(market));
        uint256 attacks = shifty.attacks();
        (passed, logs) = super._call(target, caller, consenting, call);
        _judgeVice(before, token.balanceOf(address(market)));
        if (shifty.attacks() != attacks) _judgeAttack();
    }

    function _judgeVice(uint256 before, uint256 then) private view {
        ShiftyToken.Vice vice = shifty.vice();
        if (vice == ShiftyToken.Vice.FeeOnTransfer) assertLe(then, before, "8: nothing comes in less a fee");
        else if (vice == ShiftyToken.Vice.FeeOnTop) assertGe(then, before, "8: nothing goes out plus a fee");
        else if (!_isFair()) assertEq(then, before, "8: a token with a vice is refused");
    }

    function _judgeAttack() private {
        if (shifty.attackPassed()) ++attacksThatPassed;
        if (!_aimsAtMoney) {
            ++attacksOnState;
            return;
        }
        ++attacksOnMoney;
        assertFalse(shifty.attackPassed(), "8: no way back in where money moves");
        bytes32 guard = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
        assertEq(bytes32(shifty.attackError()), guard, "8: refused because it re-enters");
    }

    /// @dev Each would pass, or nearly, were it not for the guard.
    function _attackOnMoney(uint256 seed) private returns (bytes memory) {
        address self = address(token);
        IMaaSMarket.Permit memory none;
        uint96 id = _target(seed);
        uint64 planId = uint64(id >> 32);
        bytes[9] memory attacks = [
            abi.encodeCall(IMaaSMarket.deposit, (self, 1)),
            abi.encodeCall(IMaaSMarket.depositWithPermit, (self, 1, none)),
            abi.encodeCall(IMaaSMarket.withdraw, (uint256(balances[self]))),
            abi.encodeCall(IMaaSMarket.buy, (plans[0], sessions[0], 1, 0, bytes32(0))),
            _orderOf(self),
            abi.encodeCall(IMaaSMarket.raiseCap, (id, 1)),
            abi.encodeCall(IMaaSMarket.renew, (id, 1)),
            abi.encodeCall(IMaaSMarket.payout, (planId)),
            abi.encodeCall(IMaaSMarket.payoutShare, (plans[3], components[0]))
        ];
        return attacks[_dice(seed, 50) % attacks.length];
    }

    /// @dev These may pass: they move no token and change only what their caller or a signature may change.
    function _attackOnState(uint256 seed) private returns (bytes memory) {
        uint256 kind = _dice(seed, 50) % 8;
        (, uint96 id) = _find(kind == 0 ? IMaaSMarket.Status.Purchased : IMaaSMarket.Status.Refundable, seed);
        if (kind == 0) return _activationOf(id);
        if (kind == 1) return abi.encodeCall(IMaaSMarket.refund, (id));
        if (kind == 2) return abi.encodeCall(IMaaSMarket.cancelOrders, (nonces[address(token)] + 1));
        if (kind == 3) return abi.encodeCall(IMaaSMarket.collectTime, (ids));
        if (kind == 4) return abi.encodeCall(IMaaSMarket.settle, (_freshBatch(seed)));
        id = _ownActive(seed);
        if (kind == 5) return abi.encodeCall(IMaaSMarket.requestRelease, (id));
        if (kind == 6) return abi.encodeCall(IMaaSMarket.proposeSigner, (id, sessions[0]));
        (, id) = _find(IMaaSMarket.Status.Releasing, seed);
        return abi.encodeCall(IMaaSMarket.release, (id));
    }

    function _activationOf(uint96 id) private returns (bytes memory) {
        (bytes32 r, bytes32 vs) = _signedCompact(lines[id].signer, market.hashActivation(id, 0));
        return abi.encodeCall(IMaaSMarket.activate, (id, 0, r, vs));
    }

    function _freshBatch(uint256 seed) private returns (IMaaSMarket.Voucher[] memory batch) {
        batch = new IMaaSMarket.Voucher[](2);
        (batch[0], batch[1]) = (_fresh(_dice(seed, 51)), _fresh(_dice(seed, 52)));
    }

    function _orderOf(address self) private returns (bytes memory) {
        IMaaSMarket.Permit memory none;
        IMaaSMarket.Order memory order = IMaaSMarket.Order({
            buyer: self,
            planId: plans[0],
            signer: sessions[0],
            cap: 1,
            periods: 0,
            requirementsHash: 0,
            total: 25_000,
            nonce: nonces[self],
            deadline: uint64(nowAt() + 1 days)
        });
        return abi.encodeCall(IMaaSMarket.buyFor, (order, _signed(self, market.hashOrder(order)), none));
    }

    function _ownActive(uint256 seed) private view returns (uint96 id) {
        for (uint256 i = 0; i < ids.length; ++i) {
            id = ids[(_dice(seed, 53) % ids.length + i) % ids.length];
            if (_isActive(lines[id]) && lines[id].buyer == address(token)) return id;
        }
    }

    function _isHand(address who) internal view override returns (bool) {
        return who == address(shifty) || super._isHand(who);
    }

    function _isFair() internal view override returns (bool) {
        return address(shifty) == address(0) || shifty.vice() <= ShiftyToken.Vice.ReEnters;
    }
}
