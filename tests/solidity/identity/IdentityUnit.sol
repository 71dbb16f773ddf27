// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IIdentityRegistry} from "../../../contracts/interfaces/IIdentityRegistry.sol";
import {Unit} from "../Unit.sol";

/// @title What the registry's unit tests share: a domain, the registry's books, its refusals
abstract contract IdentityUnit is Unit {
    bytes32 internal constant KEY = keccak256("ed25519");
    bytes32 internal constant OTHER_KEY = keccak256("another ed25519");
    bytes32 internal constant CREDENTIAL = keccak256("credential");
    bytes32 internal constant CLAIM = keccak256("over 18");
    bytes32 internal constant SALT = keccak256("salt");
    string internal constant NAME = "slicing4meta.devnet";
    uint64 internal constant FOREVER = type(uint64).max;

    address internal stranger = makeAddr("stranger");
    bytes32 internal domain;

    function setUp() public virtual override {
        super.setUp();
        vm.prank(provider);
        domain = identity.createDomain(NAME);
    }

    function books() internal view override returns (bytes32 digest) {
        string[2] memory components = ["msmf", "vmof"];
        address[3] memory people = [buyer, provider, stranger];
        digest = keccak256(abi.encode(identity.domainOwner(domain)));
        for (uint256 i = 0; i < components.length; ++i) {
            digest = keccak256(abi.encode(digest, identity.keysOf(domain, components[i])));
        }
        for (uint256 i = 0; i < people.length; ++i) {
            (bytes32 x, bytes32 y) = identity.passkey(people[i], CREDENTIAL);
            digest = keccak256(abi.encode(digest, x, y, discloses(people[i])));
        }
    }

    function discloses(address issuer) internal view returns (bool) {
        return identity.checkDisclosure(issuer, buyer, CLAIM, "yes", SALT);
    }

    function refused(address caller, bytes memory call, bytes memory reason) internal {
        refused(caller, address(identity), call, reason);
    }

    function enrol(string memory component, bytes32 key, uint64 from, uint64 to) internal {
        vm.prank(provider);
        identity.enrolKey(domain, component, key, from, to);
    }

    function keyExists(bytes32 key) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IIdentityRegistry.KeyExists.selector, key);
    }

    function keyUnknown(bytes32 key) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IIdentityRegistry.KeyUnknown.selector, key);
    }

    function badValidity(uint256 from, uint256 to) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IIdentityRegistry.BadValidity.selector, from, to);
    }
}
