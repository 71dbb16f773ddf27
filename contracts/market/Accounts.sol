// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IMaaSMarket} from "../interfaces/IMaaSMarket.sol";

/// @title Pooled accounts: the market's only door for tokens
/// @notice Every pull and push is measured against this contract's balance.
abstract contract Accounts is IMaaSMarket, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    struct Account {
        uint128 balance;
        uint64 nonce;
    }

    // slither-disable-next-line naming-convention -- fixed at deployment, so written like a constant
    IERC20 internal immutable TOKEN;

    mapping(address account => Account) internal _accounts;

    constructor(address token_) {
        TOKEN = IERC20(token_);
    }

    /// @inheritdoc IMaaSMarket
    function deposit(address account, uint256 amount) external nonReentrant {
        _deposit(account, amount);
    }

    /// @inheritdoc IMaaSMarket
    function depositWithPermit(address account, uint256 amount, Permit calldata permit) external nonReentrant {
        // slither-disable-next-line reentrancy-benign -- balances are read anew after the call
        _permit(msg.sender, permit);
        _deposit(account, amount);
    }

    /// @inheritdoc IMaaSMarket
    function withdraw(uint256 amount) external nonReentrant {
        Account storage row = _accounts[msg.sender];
        require(amount <= row.balance, InsufficientBalance(amount, row.balance));
        row.balance -= uint128(amount);
        emit Withdrawn(msg.sender, amount);
        _push(msg.sender, amount);
    }

    /// @inheritdoc IMaaSMarket
    function cancelOrders(uint64 nonce) external {
        Account storage row = _accounts[msg.sender];
        require(nonce > row.nonce, WrongNonce(row.nonce + 1, nonce));
        row.nonce = nonce;
        emit OrdersCancelled(msg.sender, nonce);
    }

    /// @inheritdoc IMaaSMarket
    function token() external view returns (address) {
        return address(TOKEN);
    }

    /// @inheritdoc IMaaSMarket
    function accountOf(address account) external view returns (uint128 balance, uint64 nonce) {
        return (_accounts[account].balance, _accounts[account].nonce);
    }

    /// @dev Lowers the account by what it has of `amount`; returns what must still be pulled from its holder.
    function _debit(Account storage row, uint256 amount) internal returns (uint256 shortfall) {
        uint256 balance = row.balance;
        if (balance < amount) {
            shortfall = amount - balance;
            row.balance = 0;
        } else {
            row.balance = uint128(balance - amount);
        }
    }

    function _credit(address account, uint256 amount) internal {
        uint256 balance = _accounts[account].balance + amount;
        require(balance <= type(uint128).max, Overflow("balance"));
        _accounts[account].balance = uint128(balance);
    }

    /// @dev Pulls what a purchase still lacks, straight from the holder of the account that pays.
    function _pullShortfall(address account, uint256 shortfall) internal {
        if (shortfall == 0) return;
        emit Deposited(account, account, shortfall);
        _pull(account, shortfall);
    }

    /// @dev A failing permit is ignored: it may have been front-run, and then the allowance is already there.
    function _permit(address owner, Permit calldata permit) internal {
        if (permit.value == 0) return;
        try IERC20Permit(address(TOKEN))
            .permit(owner, address(this), permit.value, permit.deadline, permit.v, permit.r, permit.s) {}
            catch {}
    }

    function _push(address to, uint256 amount) internal {
        uint256 before = _tokens();
        TOKEN.safeTransfer(to, amount);
        unchecked {
            uint256 sent = before - _tokens(); // wraps where more is here than before: refused as well
            // slither-disable-next-line incorrect-equality -- any other sum is refused: that is the rule
            require(sent == amount, TokenMisbehaved(amount, sent));
        }
    }

    function _deposit(address account, uint256 amount) private {
        _credit(account, amount);
        emit Deposited(account, msg.sender, amount);
        _pull(msg.sender, amount);
    }

    function _pull(address from, uint256 amount) private {
        uint256 before = _tokens();
        TOKEN.safeTransferFrom(from, address(this), amount);
        unchecked {
            uint256 received = _tokens() - before; // wraps where less is here than before: refused as well
            // slither-disable-next-line incorrect-equality -- any other sum is refused: that is the rule
            require(received == amount, TokenMisbehaved(amount, received));
        }
    }

    function _tokens() private view returns (uint256) {
        return TOKEN.balanceOf(address(this));
    }
}
