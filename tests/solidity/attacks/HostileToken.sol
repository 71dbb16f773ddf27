// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

interface IHooked {
    function onTokens() external;
}

/// @title A token that can turn: fee, silence, a lie, a stop, a blacklist, or a call to whoever is registered (ERC-777)
contract HostileToken is ERC20, ERC20Permit {
    enum Vice {
        None,
        Fee,
        ReturnsFalse,
        ReturnsNothing,
        Stopped,
        Calls
    }

    Vice public vice;
    mapping(address account => bool) public blacklisted;
    IHooked private _hooked;

    error Refused();

    constructor() ERC20("Hostile", "HOS") ERC20Permit("Hostile") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function become(Vice vice_) external {
        vice = vice_;
    }

    function blacklist(address account, bool on) external {
        blacklisted[account] = on;
    }

    function hook(IHooked hooked) external {
        (vice, _hooked) = (Vice.Calls, hooked);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (vice == Vice.ReturnsFalse) return false;
        return super.transfer(to, amount) && _answer();
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (vice == Vice.ReturnsFalse) return false;
        return super.transferFrom(from, to, amount) && _answer();
    }

    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        public
        override
    {
        super.permit(owner, spender, value, deadline, v, r, s);
        if (vice == Vice.Calls) _hooked.onTokens();
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(vice != Vice.Stopped && !blacklisted[from] && !blacklisted[to], Refused());
        super._update(from, to, amount);
        if (vice == Vice.Fee && from != address(0)) super._update(to, address(0xfee), amount / 100);
        if (vice == Vice.Calls && from != address(0)) _hooked.onTokens();
    }

    function _answer() private view returns (bool) {
        if (vice == Vice.ReturnsNothing) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        return true;
    }
}
