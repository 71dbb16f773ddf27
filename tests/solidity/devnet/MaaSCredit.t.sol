// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {MaaSCredit} from "../../../contracts/devnet/MaaSCredit.sol";
import {Unit} from "../Unit.sol";

/// @notice The test money of a devnet.
contract MaaSCreditTest is Unit {
    uint256 private constant LIMIT = 1_000_000e6;
    address private friend = makeAddr("friend");

    function books() internal view override returns (bytes32) {
        return keccak256(abi.encode(credit.totalSupply(), credit.balanceOf(buyer), credit.balanceOf(friend)));
    }

    function test_constructor_namesTheTestMoney() public view {
        assertEq(credit.name(), "MaaS Credit");
        assertEq(credit.symbol(), "MAAS");
        assertEq(credit.FAUCET_LIMIT(), LIMIT);
        assertEq(credit.totalSupply(), FUNDS, "only the faucet mints");
    }

    function test_decimals_isSix() public view {
        assertEq(credit.decimals(), 6);
    }

    function test_faucet_forMoreThanTheLimit_isRefused(uint256 amount) public {
        amount = bound(amount, LIMIT + 1, type(uint256).max);
        bytes memory reason = abi.encodeWithSelector(MaaSCredit.FaucetLimit.selector, LIMIT, amount);
        refused(friend, address(credit), abi.encodeCall(credit.faucet, (friend, amount)), reason);
    }

    function test_faucet_withinTheLimit_mintsToWhomItNames(uint256 amount) public {
        amount = bound(amount, 0, LIMIT);
        vm.expectEmit(address(credit));
        emit IERC20.Transfer(address(0), friend, amount);
        vm.prank(buyer);
        credit.faucet(friend, amount);
        assertEq(credit.balanceOf(friend), amount);
        assertEq(credit.totalSupply(), FUNDS + amount);
    }

    function test_faucet_toTheZeroAddress_isRefused() public {
        bytes memory reason = abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(0));
        refused(buyer, address(credit), abi.encodeCall(credit.faucet, (address(0), 1)), reason);
    }
}
