// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @dev One token with every vice, one at a time.
contract AwkwardToken is ERC20 {
    enum Vice {
        None,
        FeeOnTransfer,
        FeeOnTop,
        ReturnsFalse,
        ReturnsNothing,
        ReEnters
    }

    Vice public vice;
    address private _victim;
    bytes private _attack;
    bool public attacked;
    bool public attackPassed;

    constructor() ERC20("Awkward", "AWK") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function become(Vice vice_) external {
        vice = vice_;
    }

    function reEnter(address victim, bytes calldata attack) external {
        (vice, _victim, _attack) = (Vice.ReEnters, victim, attack);
        (attacked, attackPassed) = (false, false);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (vice == Vice.ReturnsFalse) return false;
        return super.transfer(to, amount) && last();
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (vice == Vice.ReturnsFalse) return false;
        return super.transferFrom(from, to, amount) && last();
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (vice == Vice.FeeOnTransfer && from != address(0)) super._update(to, address(0xfee), amount / 100);
        if (vice == Vice.FeeOnTop && from != address(0)) super._update(from, address(0xfee), amount / 100);
    }

    function last() private returns (bool) {
        if (vice == Vice.ReEnters) {
            attacked = true;
            (attackPassed,) = _victim.call(_attack);
        }
        if (vice == Vice.ReturnsNothing) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        return true;
    }
}
