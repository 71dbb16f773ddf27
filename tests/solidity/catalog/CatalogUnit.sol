// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {Unit} from "../Unit.sol";

/// @title What the catalogue's unit tests share: its books and its refusals
abstract contract CatalogUnit is Unit {
    uint32 internal constant NO_MODEL = 77;
    address internal stranger = makeAddr("stranger");

    function books() internal view override returns (bytes32 digest) {
        for (uint32 id = 1; id <= catalog.modelCount(); ++id) {
            IModelCatalog.Model memory model = catalog.model(id);
            digest = keccak256(abi.encode(digest, model, catalog.ownerOf(id)));
            for (uint32 version = 1; version <= model.versions; ++version) {
                digest = keccak256(abi.encode(digest, planOf(uint64(id) << 32 | version)));
            }
        }
    }

    function planOf(uint64 id) internal view returns (bytes32) {
        (IModelCatalog.PlanTerms memory kept, bool retired) = catalog.plan(id);
        return keccak256(abi.encode(kept, retired, catalog.shares(id)));
    }

    function refused(address caller, bytes memory call, bytes memory reason) internal {
        refused(caller, address(catalog), call, reason);
    }

    function publish(IModelCatalog.PlanTerms memory wanted) internal returns (uint64) {
        vm.prank(provider);
        return catalog.publishPlan(composite, wanted, none());
    }

    function publish(IModelCatalog.Share[] memory shares) internal returns (uint64) {
        vm.prank(provider);
        return catalog.publishPlan(composite, terms(), shares);
    }

    function sell(uint32 modelId, address to) internal {
        address owner = catalog.ownerOf(modelId);
        vm.prank(owner);
        catalog.transferFrom(owner, to, modelId);
    }

    function none() internal pure returns (IModelCatalog.Share[] memory) {
        return new IModelCatalog.Share[](0);
    }

    function unknownModel(uint32 modelId) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IModelCatalog.UnknownModel.selector, modelId);
    }

    function unknownPlan(uint64 id) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IModelCatalog.UnknownPlan.selector, id);
    }

    function notOwner(uint32 modelId, address caller) internal view returns (bytes memory) {
        return abi.encodeWithSelector(IModelCatalog.NotModelOwner.selector, modelId, catalog.ownerOf(modelId), caller);
    }

    function outOfBounds(bytes32 field, uint256 limit, uint256 given) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IModelCatalog.OutOfBounds.selector, field, limit, given);
    }
}
