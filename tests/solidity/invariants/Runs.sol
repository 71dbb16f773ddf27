// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";

/// @dev Who plays counts how often each kind of step was tried, and how often it came to something.
abstract contract Counted {
    mapping(bytes4 step => uint256) public tried;
    mapping(bytes4 step => uint256) public done;
    uint256 public triedInAll;
    uint256 public doneInAll;

    /// @dev The invariants that hold of a state.
    function check() external virtual;

    function _count(bool passed) internal {
        (tried[msg.sig], triedInAll) = (tried[msg.sig] + 1, triedInAll + 1);
        if (passed) (done[msg.sig], doneInAll) = (done[msg.sig] + 1, doneInAll + 1);
    }
}

/// @title How a stateful run goes, and the evidence that it is not vacuous
abstract contract Runs is Test {
    Counted internal players;
    bytes4[] internal steps;

    /// @dev Of a hundred steps of each kind so many come to something, by dice.
    function _leastPercent() internal pure virtual returns (uint256) {
        return 50;
    }

    function _enter(Counted players_, bytes4[] memory steps_) internal {
        (players, steps) = (players_, steps_);
        targetContract(address(players_));
        targetSelector(FuzzSelector({addr: address(players_), selectors: steps_}));
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

    /// @dev A random run in which little came to pass would prove little. (Not the few steps to which a failing one is
    ///      shrunk.)
    function afterInvariant() public view {
        if (players.triedInAll() < 32) return;
        assertGe(400 * players.doneInAll(), _leastPercent() * players.triedInAll(), "steps that came to something");
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
