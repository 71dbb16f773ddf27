// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ContractWallet} from "./Stage.sol";

/// @dev A token with one vice at a time, changed at will. It is also a buyer: what it does when it re-enters concerns its
///      own account and subscriptions too.
contract ShiftyToken is ERC20Permit, ContractWallet {
    enum Vice {
        None,
        ReturnsNothing,
        ReEnters,
        FeeOnTransfer,
        FeeOnTop,
        ReturnsFalse,
        MovesAndReturnsFalse,
        MovesNothing,
        Reverts
    }

    Vice public vice;
    uint256 public attacks;
    bool public attackPassed;
    bytes4 public attackError;
    address private _victim;
    bytes private _attack;
    bool private _attacking;

    error NoToday();

    constructor(address holder) ERC20("Shifty", "SHY") ERC20Permit("Shifty") ContractWallet(holder) {}

    function become(Vice vice_) external {
        vice = vice_;
    }

    function reEnter(address victim, bytes calldata attack) external {
        (vice, _victim, _attack) = (Vice.ReEnters, victim, attack);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (vice == Vice.ReturnsFalse) return false;
        if (vice != Vice.MovesNothing) super.transfer(to, amount);
        return _answer();
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (vice == Vice.ReturnsFalse) return false;
        if (vice != Vice.MovesNothing) super.transferFrom(from, to, amount);
        return _answer();
    }

    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        public
        override
    {
        super.permit(owner, spender, value, deadline, v, r, s);
        _strike();
    }

    /// @dev A fee even of the smallest amount: taken from what arrives, or on top from who sends.
    function _update(address from, address to, uint256 amount) internal override {
        if (vice == Vice.Reverts) revert NoToday();
        super._update(from, to, amount);
        if (amount == 0 || from == address(0)) return;
        uint256 fee = amount / 100 + 1;
        if (vice == Vice.FeeOnTransfer) super._update(to, address(0xfee), fee);
        if (vice == Vice.FeeOnTop) super._update(from, address(0xfee), fee);
    }

    function _answer() private returns (bool) {
        _strike();
        if (vice == Vice.ReturnsNothing) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        return vice != Vice.MovesAndReturnsFalse;
    }

    /// @dev Once, and only from within a call of the victim.
    function _strike() private {
        if (vice != Vice.ReEnters || msg.sender != _victim || _attacking) return;
        _attacking = true;
        bytes memory answer;
        (attackPassed, answer) = _victim.call(_attack);
        (attacks, attackError, _attacking) = (attacks + 1, bytes4(answer), false);
    }
}
