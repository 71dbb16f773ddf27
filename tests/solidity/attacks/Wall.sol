// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title A contract that owns things and refuses every call to it: no receive logic, no ERC-721 receiver, nothing
contract Wall {
    /// @dev What its holder lets it call; the callee must not call back.
    function reach(address callee, bytes calldata call) external {
        (bool ok, bytes memory answer) = callee.call(call);
        require(ok, string(answer));
    }

    fallback() external payable {
        revert("no call is made to me");
    }
}
