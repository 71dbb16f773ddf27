// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title The test money of a devnet
/// @notice ERC-20 + ERC-2612 with a faucet for everybody: worth nothing, deployed on devnets only.
contract MaaSCredit is ERC20, ERC20Permit {
    /// @notice The most that one call of the faucet gives: a million credits.
    uint256 public constant FAUCET_LIMIT = 1_000_000e6;

    /// @notice More than one call gives. Ask for less, or again.
    /// @param limit the most, in millionths of a credit
    /// @param asked the amount asked for
    error FaucetLimit(uint256 limit, uint256 asked);

    constructor() ERC20("MaaS Credit", "MAAS") ERC20Permit("MaaS Credit") {}

    /// @notice Mints test money; anyone may call, as often as they like.
    /// @param to who gets it
    /// @param amount in millionths of a credit
    function faucet(address to, uint256 amount) external {
        require(amount <= FAUCET_LIMIT, FaucetLimit(FAUCET_LIMIT, amount));
        _mint(to, amount);
    }

    /// @notice Six decimals, as the stable coins that take its place elsewhere.
    /// @return 6
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
