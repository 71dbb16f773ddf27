// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Players} from "./Players.sol";

/// @title How a stateful run goes, and the evidence that it is not vacuous
abstract contract Runs is Test {
    Players internal players;
    bytes4[] internal steps;

    /// @dev Of a hundred steps of each kind so many come to something, by dice.
    function _leastPercent() internal pure virtual returns (uint256);

    function _enter(Players players_, bytes4[][2] memory selectors) internal {
        players = players_;
        for (uint256 i = 0; i < 2; ++i) {
            for (uint256 j = 0; j < selectors[i].length; ++j) {
                steps.push(selectors[i][j]);
            }
        }
        targetContract(address(players_));
        targetSelector(FuzzSelector({addr: address(players_), selectors: steps}));
    }

    /// @dev Six runs by fixed dice, as long as those of `make soak`.
    function test_everyStep_oftenComesToSomething() public {
        uint256[] memory tried = new uint256[](steps.length);
        uint256[] memory done = new uint256[](steps.length);
        uint256 curtain = vm.snapshotState();
        for (uint256 run = 0; run < 6; ++run) {
            _playByDice(run);
            for (uint256 i = 0; i < steps.length; ++i) {
                tried[i] += players.tried(steps[i]);
                done[i] += players.done(steps[i]);
            }
            vm.revertToState(curtain);
        }
        for (uint256 i = 0; i < steps.length; ++i) {
            string memory step = vm.toString(abi.encodePacked(steps[i]));
            emit log_named_uint(step, 100 * done[i] / tried[i]);
            assertGe(100 * done[i], _leastPercent() * tried[i], step);
        }
    }

    /// @dev A random run in which little came to pass would prove little.
    function afterInvariant() public view {
        assertGe(100 * players.doneInAll(), _leastPercent() * players.triedInAll(), "steps that came to something");
    }

    function _playByDice(uint256 run) internal {
        for (uint256 i = 0; i < 200; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(run, i)));
            (bool held, bytes memory why) =
                address(players).call(abi.encodeWithSelector(steps[dice % steps.length], dice));
            if (!held) _bubble(why);
        }
        players.check();
    }

    function _bubble(bytes memory why) private pure {
        assembly ("memory-safe") {
            revert(add(why, 0x20), mload(why))
        }
    }
}
