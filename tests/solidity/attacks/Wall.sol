// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title A contract that owns things and refuses every call: no receive logic, no ERC-721 receiver, nothing
contract Wall {
    fallback() external payable {
        revert("no call is made to me");
    }
}
