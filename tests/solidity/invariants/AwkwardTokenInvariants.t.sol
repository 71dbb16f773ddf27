// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Players} from "./Players.sol";
import {Runs} from "./Runs.sol";
import {ShiftyToken} from "./ShiftyToken.sol";

/// @notice Invariant 8 of docs/invariants.md, and 1 to 7 once more, over a token whose vice changes between steps.
contract AwkwardTokenInvariantsTest is Runs {
    Players private all;

    function setUp() public {
        all = _shiftyPlayers("holder of the token");
        _enter(all, all.stepsWithTurns());
    }

    function _shiftyPlayers(string memory holderName) private returns (Players) {
        (address holder, uint256 holderKey) = makeAddrAndKey(holderName);
        return new Players(new ShiftyToken(holder), holderKey);
    }

    /// @dev The vices and the calls that re-enter are judged within each step.
    function invariant_8_awkwardTokens_areRefusedOrHarmless() public {
        players.check();
    }

    function test_attacks_areMade_andSomeOnStatePass() public {
        for (uint256 run = 0; run < 4; ++run) {
            _playByDice(run);
        }
        emit log_named_uint("attacks on money", all.attacksOnMoney());
        emit log_named_uint("attacks on state", all.attacksOnState());
        emit log_named_uint("attacks that passed", all.attacksThatPassed());
        assertGt(all.attacksOnMoney(), 10);
        assertGt(all.attacksThatPassed(), 10);
    }

    /// @dev With most vices whatever moves tokens is refused.
    function _leastPercent() internal pure override returns (uint256) {
        return 25;
    }
}
