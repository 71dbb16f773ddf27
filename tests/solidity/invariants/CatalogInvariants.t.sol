// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";
import {MaaSCredit} from "../../../contracts/devnet/MaaSCredit.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {CatalogBooks} from "./CatalogBooks.sol";
import {Counted, Runs} from "./Runs.sol";
import {Stage} from "./Stage.sol";

/// @dev Steps with models: most by their owner and within the rules, the rest must be refused.
contract Publishers is CatalogBooks, Counted {
    address private _caller;

    constructor() Stage(new MaaSCredit()) {
        _foldAll();
    }

    function register(uint256 seed) external {
        IModelCatalog.Kind kind = IModelCatalog.Kind(_dice(seed, 0) % 3);
        address key = _dice(seed, 1) % 2 == 0 ? address(0) : sessions[0];
        uint16 royalty = uint16(_dice(seed, 2) % 11_000);
        bytes memory call = abi.encodeCall(catalog.register, (kind, bytes32(seed), "s4m:documents/any", key, royalty));
        bool passed = _by(owners[_dice(seed, 3) % owners.length], call);
        _end(passed, royalty <= 10_000);
    }

    function setAsk(uint256 seed) external {
        (uint32 modelId, address caller, bool right) = _modelAndCaller(seed);
        uint16 bps = uint16(_dice(seed, 10) % (_dice(seed, 11) % 4 == 0 ? 11_000 : 1_000));
        _end(_by(caller, abi.encodeCall(catalog.setAsk, (modelId, bps))), right);
    }

    function setMeterKey(uint256 seed) external {
        (uint32 modelId, address caller, bool right) = _modelAndCaller(seed);
        address key = sessions[_dice(seed, 10) % sessions.length];
        _end(_by(caller, abi.encodeCall(catalog.setMeterKey, (modelId, key))), right);
    }

    function transfer(uint256 seed) external {
        (uint32 modelId, address caller, bool right) = _modelAndCaller(seed);
        address owner = modelLines[modelId].owner;
        address to = owners[_dice(seed, 10) % owners.length];
        _end(_by(caller, abi.encodeCall(catalog.transferFrom, (owner, to, modelId))), right);
        if (!right) return;
        assertEq(modelLines[modelId].meterKey, address(0), "C3: a transfer clears the meter key");
        assertEq(uint256(modelLines[modelId].askBps), NEVER, "C3: a transfer clears the ask");
    }

    /// @dev Sometimes with nine components, or with one twice, composite, unknown or below its ask: C2 judges what passed.
    function publish(uint256 seed) external {
        (uint32 modelId, address caller,) = _modelAndCaller(seed);
        IModelCatalog.Share[] memory shares = _shares(modelId, seed);
        IModelCatalog.PlanTerms memory terms = _terms(
            uint64(_amount(_dice(seed, 10), DEAR_UNIT)),
            uint96(_amount(_dice(seed, 11), DEAR_PERIOD)),
            7 days,
            1 hours,
            1
        );
        if (terms.periodPrice == 0) terms.period = 0;
        bool passed = _by(caller, abi.encodeCall(catalog.publishPlan, (modelId, terms, shares)));
        if (passed) plans.push(uint64(modelId) << 32 | modelLines[modelId].versions);
        _count(passed);
    }

    function retire(uint256 seed) external {
        uint64 planId = plans[_dice(seed, 0) % plans.length];
        for (uint256 i = 1; i < plans.length && planLines[planId].retired && _dice(seed, 2) % 8 != 0; ++i) {
            planId = plans[(_dice(seed, 0) % plans.length + i) % plans.length];
        }
        address caller = _dice(seed, 1) % 8 == 0 ? sessions[0] : modelLines[uint32(planId >> 32)].owner;
        bool right = caller != sessions[0] && !planLines[planId].retired;
        _end(_by(caller, abi.encodeCall(catalog.retirePlan, (planId))), right);
    }

    function check() external view override {
        for (uint32 modelId = 1; modelId <= modelsTold; ++modelId) {
            _checkModel(modelId);
        }
        for (uint256 i = 0; i < plans.length; ++i) {
            _checkPublished(plans[i]);
        }
    }

    function _shares(uint32 modelId, uint256 seed) private returns (IModelCatalog.Share[] memory shares) {
        bool careless = _dice(seed, 20) % 4 == 0;
        if (modelLines[modelId].kind != IModelCatalog.Kind.Composite && !careless) return shares;
        shares = new IModelCatalog.Share[](_dice(seed, 21) % (careless ? 10 : 9));
        for (uint256 i = 0; i < shares.length; ++i) {
            uint256 dice = _dice(seed, 100 + i);
            uint256 mode = careless ? dice % 16 : 16;
            uint32 part = mode == 0 ? uint32(_dice(dice, 1) % (modelsTold + 2)) : _component(dice, shares, i);
            ModelLine storage line = modelLines[part];
            if (line.askBps >= NEVER && mode != 1) _by(line.owner, abi.encodeCall(catalog.setAsk, (part, 900)));
            uint16 ask = line.askBps;
            uint16 bps = mode == 2 && ask != 0 ? ask - 1 : ask + uint16(_dice(dice, 2) % 100);
            shares[i] = IModelCatalog.Share({modelId: part, bps: bps});
        }
    }

    /// @dev The next plain model that is not yet among the shares.
    function _component(uint256 dice, IModelCatalog.Share[] memory shares, uint256 count)
        private
        view
        returns (uint32 modelId)
    {
        for (uint32 i = 0; i < modelsTold; ++i) {
            modelId = uint32((_dice(dice, 0) + i) % modelsTold) + 1;
            bool taken = modelLines[modelId].kind == IModelCatalog.Kind.Composite;
            for (uint256 j = 0; j < count; ++j) {
                if (shares[j].modelId == modelId) taken = true;
            }
            if (!taken) break;
        }
    }

    function _modelAndCaller(uint256 seed) private view returns (uint32 modelId, address caller, bool right) {
        modelId = uint32(_dice(seed, 30) % modelsTold) + 1;
        right = _dice(seed, 31) % 8 != 0;
        caller = right ? modelLines[modelId].owner : sessions[_dice(seed, 32) % sessions.length];
    }

    function _end(bool passed, bool right) private {
        assertEq(passed, right, "C3: passes exactly for its owner and within the rules");
        _count(passed);
    }

    function _by(address caller, bytes memory call) private returns (bool passed) {
        _caller = caller;
        vm.recordLogs();
        vm.prank(caller);
        (passed,) = address(catalog).call(call);
        if (passed) _foldAll();
    }

    function _foldAll() private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == address(catalog)) _foldCatalog(logs[i]);
        }
    }

    /// @dev The scene was set by everybody.
    function _isHand(address who) internal view override returns (bool) {
        return who == _caller || _caller == address(0);
    }
}

/// @notice Invariants C1 to C3 of docs/invariants.md, and 5 for the catalogue.
contract CatalogInvariantsTest is Runs {
    function setUp() public {
        bytes4[] memory selectors = new bytes4[](6);
        selectors[0] = Publishers.register.selector;
        selectors[1] = Publishers.setAsk.selector;
        selectors[2] = Publishers.setMeterKey.selector;
        selectors[3] = Publishers.transfer.selector;
        selectors[4] = Publishers.publish.selector;
        selectors[5] = Publishers.retire.selector;
        _enter(new Publishers(), selectors);
    }

    /// forge-config: default.invariant.check-interval = 16
    /// @dev What is true of a state; C2 and C3 are judged within each step.
    function invariant_C1toC3_holdInEveryState() public {
        players.check();
    }
}
