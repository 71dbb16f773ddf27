// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {Vm} from "forge-std/Vm.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {Stage} from "./Stage.sol";

/// @title The catalogue as its events tell it, each of them a move that its rules allow
abstract contract CatalogBooks is Stage {
    /// @dev The market's events add what a plan sold, earned and paid.
    struct PlanLine {
        IModelCatalog.PlanTerms terms;
        IModelCatalog.Share[] shares;
        bool retired;
        uint32 sold;
        uint256 earned;
        uint256 paid;
        mapping(uint32 modelId => uint256) drawn;
    }

    struct ModelLine {
        address owner;
        IModelCatalog.Kind kind;
        uint16 askBps;
        uint32 versions;
        address meterKey;
    }

    uint16 internal constant NEVER = 10_001;

    uint32 internal modelsTold;
    mapping(uint64 planId => PlanLine) internal planLines;
    mapping(uint32 modelId => ModelLine) internal modelLines;

    /// @dev Whether the call that is being folded was `who`'s own, or carried its signature.
    function _isHand(address who) internal view virtual returns (bool);

    function _foldCatalog(Vm.Log memory log) internal {
        bytes32 kind = log.topics[0];
        if (kind == IModelCatalog.PlanPublished.selector) _planPublished(log);
        else if (kind == IModelCatalog.PlanRetired.selector) _planRetired(log);
        else if (kind == IModelCatalog.ModelRegistered.selector) _modelRegistered(log);
        else if (kind == IModelCatalog.MeterKeySet.selector) _meterKeySet(log);
        else if (kind == IModelCatalog.AskSet.selector) _askSet(log);
        else if (kind == IERC721.Transfer.selector) _modelMoved(log);
        else revert("5: an event that the interface does not name");
    }

    function _modelRegistered(Vm.Log memory log) private {
        uint32 modelId = uint32(_topic(log, 1));
        ModelLine storage line = modelLines[modelId];
        assertEq(modelId, ++modelsTold, "5: models are numbered");
        assertTrue(_isHand(line.owner), "C3: registered to the caller");
        (line.kind,,,) = abi.decode(log.data, (IModelCatalog.Kind, bytes32, string, uint16));
        line.askBps = NEVER;
    }

    function _modelMoved(Vm.Log memory log) private {
        ModelLine storage line = modelLines[uint32(_topic(log, 3))];
        assertEq(address(uint160(_topic(log, 1))), line.owner, "5: moved from its owner");
        assertTrue(line.owner == address(0) || _isHand(line.owner), "C3: its owner moves a model");
        line.owner = address(uint160(_topic(log, 2)));
        assertTrue(line.owner != address(0), "C3: a model is never burned");
    }

    /// @dev A transfer clears key and ask: the new owner has no hand in that.
    function _meterKeySet(Vm.Log memory log) private {
        ModelLine storage line = modelLines[uint32(_topic(log, 1))];
        line.meterKey = abi.decode(log.data, (address));
        assertTrue(_isHand(line.owner) || line.meterKey == address(0), "C3: its owner sets the meter key");
    }

    function _askSet(Vm.Log memory log) private {
        ModelLine storage line = modelLines[uint32(_topic(log, 1))];
        line.askBps = abi.decode(log.data, (uint16));
        assertTrue(_isHand(line.owner) || line.askBps == NEVER, "C3: its owner sets the ask");
    }

    function _planPublished(Vm.Log memory log) private {
        uint64 planId = uint64(_topic(log, 1));
        ModelLine storage model = modelLines[uint32(planId >> 32)];
        assertTrue(_isHand(model.owner), "C3: its owner publishes");
        assertEq(uint32(planId), ++model.versions, "5: versions are numbered");
        PlanLine storage plan = planLines[planId];
        IModelCatalog.Share[] memory shares;
        (plan.terms, shares) = abi.decode(log.data, (IModelCatalog.PlanTerms, IModelCatalog.Share[]));
        assertTrue(shares.length == 0 || model.kind == IModelCatalog.Kind.Composite, "C2: shares of a composite");
        assertLe(shares.length, 8, "C2: at most eight components");
        uint256 together = 0;
        for (uint256 i = 0; i < shares.length; ++i) {
            ModelLine storage part = modelLines[shares[i].modelId];
            assertTrue(part.owner != address(0) && part.kind != IModelCatalog.Kind.Composite, "C2: a plain component");
            assertTrue(part.askBps < NEVER && shares[i].bps >= part.askBps, "C2: at or above its owner's ask");
            for (uint256 j = 0; j < i; ++j) {
                assertTrue(shares[j].modelId != shares[i].modelId, "C2: each component once");
            }
            together += shares[i].bps;
            plan.shares.push(shares[i]);
        }
        assertLe(together, 10_000, "C2: shares of one whole");
    }

    function _planRetired(Vm.Log memory log) private {
        uint64 planId = uint64(_topic(log, 1));
        assertTrue(_isHand(modelLines[uint32(planId >> 32)].owner), "C3: its owner retires");
        assertTrue(planLines[planId].terms.activationWindow != 0, "5: retired when published");
        assertFalse(planLines[planId].retired, "5: retired once");
        planLines[planId].retired = true;
    }

    function _checkModel(uint32 modelId) internal view {
        ModelLine storage told = modelLines[modelId];
        IModelCatalog.Model memory seen = catalog.model(modelId);
        assertEq(catalog.ownerOf(modelId), told.owner, "5: owner as told");
        assertEq(seen.meterKey, told.meterKey, "5: meter key as told");
        assertEq(seen.askBps, told.askBps, "5: ask as told");
        assertEq(seen.versions, told.versions, "5: versions as told");
        assertEq(uint256(seen.kind), uint256(told.kind), "5: kind as told");
    }

    /// @dev C1: a plan is what was published, for ever; that it is no longer sold is told beside it.
    function _checkPublished(uint64 planId) internal view {
        PlanLine storage told = planLines[planId];
        (IModelCatalog.PlanTerms memory terms, bool retired) = catalog.plan(planId);
        IModelCatalog.Share[] memory toldShares = told.shares;
        assertEq(keccak256(abi.encode(terms)), keccak256(abi.encode(told.terms)), "C1: terms as published");
        assertEq(keccak256(abi.encode(catalog.shares(planId))), keccak256(abi.encode(toldShares)), "C1: shares");
        assertEq(retired, told.retired, "5: retired as told");
        assertEq(catalog.isOnSale(planId), !told.retired, "5: on sale as told");
    }

    function _topic(Vm.Log memory log, uint256 place) internal pure returns (uint256) {
        return uint256(log.topics[place]);
    }
}
