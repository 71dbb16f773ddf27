// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Players} from "./Players.sol";
import {Runs} from "./Runs.sol";
import {ShiftyToken} from "./ShiftyToken.sol";

/// @notice Invariant 8 of docs/invariants.md, and 1 to 7 once more, over a token whose vice changes between steps.
contract AwkwardTokenInvariantsTest is Runs {
    function setUp() public {
        (address holder, uint256 holderKey) = makeAddrAndKey("holder of the token");
        Players all = new Players(new ShiftyToken(holder), holderKey);
        _enter(all, [all.steps(), all.turns()]);
    }

    /// @dev The vices and the calls that re-enter are judged within each step.
    function invariant_8_awkwardTokens_areRefusedOrHarmless() public {
        players.check();
    }

    function test_attacks_areMade_andThoseOnStatePass() public {
        for (uint256 run = 0; run < 4; ++run) {
            _playByDice(run);
        }
        emit log_named_uint("attacks on money", players.attacksOnMoney());
        emit log_named_uint("attacks on state", players.attacksOnState());
        emit log_named_uint("attacks that passed", players.attacksThatPassed());
        assertGt(players.attacksOnMoney(), 10);
        assertGt(players.attacksThatPassed(), 10);
    }

    /// @dev With most vices whatever moves tokens is refused.
    function _leastPercent() internal pure override returns (uint256) {
        return 25;
    }
}
