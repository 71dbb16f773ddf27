// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IIdentityRegistry} from "../../../contracts/interfaces/IIdentityRegistry.sol";
import {IdentityUnit} from "./IdentityUnit.sol";

interface IDeployedRegistry {
    function RP_ID_HASH() external view returns (bytes32);
}

/// @notice An operator's trust domain and its components' keys.
contract ComponentsTest is IdentityUnit {
    function test_constructor_keepsTheHashOfTheRelyingPartysId() public view {
        assertEq(IDeployedRegistry(address(identity)).RP_ID_HASH(), sha256("localhost"));
    }

    function test_createDomain_theCallersDomainOfThatName_isRefused() public {
        bytes memory reason = abi.encodeWithSelector(IIdentityRegistry.DomainExists.selector, domain);
        refused(provider, abi.encodeCall(identity.createDomain, (NAME)), reason);
    }

    function test_createDomain_anothersDomainOfThatName_isCreated() public {
        vm.prank(stranger);
        bytes32 own = identity.createDomain(NAME);
        assertTrue(own != domain, "no squatting");
        assertEq(identity.domainOwner(own), stranger);
        assertEq(identity.domainOwner(domain), provider);
    }

    function test_createDomain_byAnyone_belongsToTheCaller(address caller, string memory name) public {
        vm.assume(caller != provider);
        bytes32 own = keccak256(abi.encode(caller, name));
        vm.expectEmit(address(identity));
        emit IIdentityRegistry.DomainCreated(own, caller, name);
        vm.prank(caller);
        assertEq(identity.createDomain(name), own);
        assertEq(identity.domainOwner(own), caller);
    }

    function test_domainIdOf_isTheHashOfOwnerAndName(address owner, string memory name) public view {
        assertEq(identity.domainIdOf(owner, name), keccak256(abi.encode(owner, name)));
    }

    function test_domainIdOf_anyPartDiffers_isAnotherId(address owner, string memory name) public view {
        bytes32 own = identity.domainIdOf(owner, name);
        assertNotEq(identity.domainIdOf(address(uint160(owner) ^ 1), name), own);
        assertNotEq(identity.domainIdOf(owner, string.concat(name, " ")), own);
    }

    function test_domainOwner_noSuchDomain_isNobody(bytes32 id) public view {
        vm.assume(id != domain);
        assertEq(identity.domainOwner(id), address(0));
    }

    function test_domainOwner_aDomain_isWhoCreatedIt() public view {
        assertEq(identity.domainOwner(domain), provider);
    }

    function test_enrolKey_noSuchDomain_isRefused() public {
        bytes32 none = keccak256("none");
        bytes memory reason =
            abi.encodeWithSelector(IIdentityRegistry.NotDomainOwner.selector, none, address(0), provider);
        refused(provider, abi.encodeCall(identity.enrolKey, (none, "msmf", KEY, 1, FOREVER)), reason);
    }

    function test_enrolKey_notByTheDomainsOwner_isRefused(address caller) public {
        vm.assume(caller != provider);
        refused(caller, abi.encodeCall(identity.enrolKey, (domain, "msmf", KEY, 1, FOREVER)), notOwner(caller));
    }

    function test_enrolKey_itWouldEndBeforeItBegins_isRefused(uint64 from, uint64 to) public {
        from = uint64(bound(from, nowAt(), FOREVER));
        to = uint64(bound(to, nowAt(), from));
        refused(provider, abi.encodeCall(identity.enrolKey, (domain, "msmf", KEY, from, to)), badValidity(from, to));
        refused(provider, abi.encodeCall(identity.enrolKey, (domain, "msmf", KEY, to, to)), badValidity(to, to));
    }

    function test_enrolKey_itHasEnded_isRefused(uint64 to) public {
        to = uint64(bound(to, 1, nowAt() - 1));
        refused(provider, abi.encodeCall(identity.enrolKey, (domain, "msmf", KEY, 0, to)), badValidity(0, to));
    }

    function test_enrolKey_itEndsInThisSecond_isEnrolled() public {
        enrol("msmf", KEY, 0, uint64(nowAt()));
        assertTrue(identity.isKeyValid(domain, "msmf", KEY));
    }

    function test_enrolKey_theKeyEnrolledForTheComponent_isRefused() public {
        enrol("msmf", KEY, 1, FOREVER);
        refused(provider, abi.encodeCall(identity.enrolKey, (domain, "msmf", KEY, 2, FOREVER)), keyExists(KEY));
    }

    function test_enrolKey_theKeyEnrolledForAnotherComponent_isRefused() public {
        enrol("msmf", KEY, 1, FOREVER);
        refused(provider, abi.encodeCall(identity.enrolKey, (domain, "vmof", KEY, 1, FOREVER)), keyExists(KEY));
    }

    function test_enrolKey_theKeyWasRevoked_isRefused() public {
        enrol("msmf", KEY, 1, FOREVER);
        revoke("msmf", KEY);
        refused(provider, abi.encodeCall(identity.enrolKey, (domain, "msmf", KEY, 1, FOREVER)), keyExists(KEY));
    }

    function test_enrolKey_theKeyEnrolledInAnotherDomain_isEnrolled() public {
        enrol("msmf", KEY, 1, FOREVER);
        vm.startPrank(stranger);
        bytes32 own = identity.createDomain(NAME);
        identity.enrolKey(own, "vmof", KEY, 1, FOREVER);
        assertTrue(identity.isKeyValid(own, "vmof", KEY));
        assertFalse(identity.isKeyValid(domain, "vmof", KEY));
    }

    function test_enrolKey_otherKeysOfTheComponent_isEnrolledBesideThem() public {
        enrol("msmf", KEY, 1, FOREVER);
        enrol("msmf", OTHER_KEY, 1, FOREVER);
        assertTrue(identity.isKeyValid(domain, "msmf", KEY));
        assertTrue(identity.isKeyValid(domain, "msmf", OTHER_KEY));
    }

    function test_enrolKey_byTheDomainsOwner_isEnrolledAndTellsAllOfIt(
        string memory component_,
        bytes32 key,
        uint64 from,
        uint64 to
    ) public {
        from = uint64(bound(from, 0, FOREVER - 1));
        to = uint64(bound(to, from < nowAt() ? nowAt() : from + 1, FOREVER));
        vm.expectEmit(address(identity));
        emit IIdentityRegistry.ComponentKeyEnrolled(domain, component_, key, from, to);
        enrol(component_, key, from, to);
        IIdentityRegistry.ComponentKey[] memory keys = identity.keysOf(domain, component_);
        assertEq(keys.length, 1);
        assertEq(abi.encode(keys[0]), abi.encode(IIdentityRegistry.ComponentKey(key, from, to, false)));
    }

    function test_revokeKey_noSuchDomain_isRefused() public {
        bytes32 none = keccak256("none");
        bytes memory reason =
            abi.encodeWithSelector(IIdentityRegistry.NotDomainOwner.selector, none, address(0), provider);
        refused(provider, abi.encodeCall(identity.revokeKey, (none, "msmf", KEY)), reason);
    }

    function test_revokeKey_notByTheDomainsOwner_isRefused(address caller) public {
        vm.assume(caller != provider);
        enrol("msmf", KEY, 1, FOREVER);
        refused(caller, abi.encodeCall(identity.revokeKey, (domain, "msmf", KEY)), notOwner(caller));
    }

    function test_revokeKey_aKeyNeverEnrolled_isRefused() public {
        refused(provider, abi.encodeCall(identity.revokeKey, (domain, "msmf", KEY)), keyUnknown(KEY));
    }

    function test_revokeKey_aKeyOfAnotherComponent_isRefused() public {
        enrol("msmf", KEY, 1, FOREVER);
        refused(provider, abi.encodeCall(identity.revokeKey, (domain, "vmof", KEY)), keyUnknown(KEY));
        enrol("vmof", OTHER_KEY, 1, FOREVER);
        refused(provider, abi.encodeCall(identity.revokeKey, (domain, "vmof", KEY)), keyUnknown(KEY));
    }

    function test_revokeKey_aKeyThatWasRevoked_isRefused() public {
        enrol("msmf", KEY, 1, FOREVER);
        revoke("msmf", KEY);
        bytes memory reason = abi.encodeWithSelector(IIdentityRegistry.KeyAlreadyRevoked.selector, KEY);
        refused(provider, abi.encodeCall(identity.revokeKey, (domain, "msmf", KEY)), reason);
    }

    function test_revokeKey_byTheDomainsOwner_endsTheKeyInTheSecondBefore() public {
        enrol("msmf", KEY, 1, FOREVER);
        vm.expectEmit(address(identity));
        emit IIdentityRegistry.ComponentKeyRevoked(domain, "msmf", KEY);
        revoke("msmf", KEY);
        assertFalse(identity.isKeyValid(domain, "msmf", KEY));
        IIdentityRegistry.ComponentKey memory ended = IIdentityRegistry.ComponentKey(KEY, 1, uint64(nowAt() - 1), true);
        assertEq(abi.encode(identity.keysOf(domain, "msmf")[0]), abi.encode(ended));
    }

    function test_revokeKey_otherKeysOfTheComponent_leavesThemValid() public {
        enrol("msmf", KEY, 1, FOREVER);
        enrol("msmf", OTHER_KEY, 1, FOREVER);
        revoke("msmf", KEY);
        assertTrue(identity.isKeyValid(domain, "msmf", OTHER_KEY));
        assertEq(identity.keysOf(domain, "msmf").length, 2);
    }

    function test_keysOf_noKey_isEmpty() public {
        assertEq(identity.keysOf(domain, "msmf").length, 0);
        enrol("msmf", KEY, 1, FOREVER);
        assertEq(identity.keysOf(domain, "vmof").length, 0);
        assertEq(identity.keysOf(keccak256("none"), "msmf").length, 0);
    }

    function test_keysOf_keys_tellsEachInItsOrder() public {
        enrol("msmf", KEY, 1, FOREVER);
        enrol("msmf", OTHER_KEY, 2, FOREVER - 1);
        IIdentityRegistry.ComponentKey[] memory told = new IIdentityRegistry.ComponentKey[](2);
        told[0] = IIdentityRegistry.ComponentKey(KEY, 1, FOREVER, false);
        told[1] = IIdentityRegistry.ComponentKey(OTHER_KEY, 2, FOREVER - 1, false);
        assertEq(abi.encode(identity.keysOf(domain, "msmf")), abi.encode(told));
    }

    function test_isKeyValid_aKeyNeverEnrolled_isFalse(bytes32 key) public view {
        assertFalse(identity.isKeyValid(domain, "msmf", key));
    }

    function test_isKeyValid_aKeyOfAnotherComponent_isFalse() public {
        enrol("msmf", KEY, 1, FOREVER);
        assertFalse(identity.isKeyValid(domain, "vmof", KEY));
        enrol("vmof", OTHER_KEY, 1, FOREVER);
        assertFalse(identity.isKeyValid(domain, "vmof", KEY), "also where its place is taken");
    }

    function test_isKeyValid_aKeyOfAnotherDomain_isFalse() public {
        enrol("msmf", KEY, 1, FOREVER);
        vm.prank(stranger);
        assertFalse(identity.isKeyValid(identity.createDomain(NAME), "msmf", KEY));
    }

    function test_isKeyValid_beforeItsTime_isFalse(uint64 wait) public {
        uint64 from = uint64(nowAt() + bound(wait, 1, 3_650 days));
        enrol("msmf", KEY, from, FOREVER);
        assertFalse(identity.isKeyValid(domain, "msmf", KEY));
        vm.warp(from - 1);
        assertFalse(identity.isKeyValid(domain, "msmf", KEY));
    }

    function test_isKeyValid_withinItsTime_isTrue(uint64 wait) public {
        uint64 from = uint64(nowAt() + 10);
        enrol("msmf", KEY, from, from + 100);
        vm.warp(from + bound(wait, 0, 100));
        assertTrue(identity.isKeyValid(domain, "msmf", KEY));
        vm.warp(from);
        assertTrue(identity.isKeyValid(domain, "msmf", KEY), "from its first second");
        vm.warp(from + 100);
        assertTrue(identity.isKeyValid(domain, "msmf", KEY), "to its last");
    }

    function test_isKeyValid_afterItsTime_isFalse(uint64 late) public {
        enrol("msmf", KEY, 1, uint64(nowAt() + 100));
        vm.warp(nowAt() + 100 + bound(late, 1, 3_650 days));
        assertFalse(identity.isKeyValid(domain, "msmf", KEY));
    }

    function test_isKeyValid_itWasRevoked_isFalseForEver(uint64 wait) public {
        enrol("msmf", KEY, uint64(nowAt() + 10), FOREVER);
        revoke("msmf", KEY);
        vm.warp(nowAt() + bound(wait, 0, 3_650 days));
        assertFalse(identity.isKeyValid(domain, "msmf", KEY));
    }

    function revoke(string memory component_, bytes32 key) private {
        vm.prank(provider);
        identity.revokeKey(domain, component_, key);
    }

    function notOwner(address caller) private view returns (bytes memory) {
        return abi.encodeWithSelector(IIdentityRegistry.NotDomainOwner.selector, domain, provider, caller);
    }
}
