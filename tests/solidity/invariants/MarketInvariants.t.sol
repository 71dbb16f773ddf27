// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {MaaSCredit} from "../../../contracts/devnet/MaaSCredit.sol";
import {Players} from "./Players.sol";
import {Runs} from "./Runs.sol";

/// @notice Invariants 1 to 7 and L1 of docs/invariants.md, after any sequence of everybody's calls.
contract MarketInvariantsTest is Runs {
    function setUp() public {
        Players all = new Players(new MaaSCredit(), 0);
        _enter(all, all.steps());
    }

    /// @dev What is true of a state. What is true of a step (3, 6, 7 and L1) is judged within each step.
    function invariant_1to7_holdInEveryState() public {
        players.check();
    }
}
