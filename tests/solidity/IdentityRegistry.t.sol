// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {House} from "./House.sol";

/// @notice Components' keys, passkeys, attestations.
contract IdentityRegistryTest is House {
    bytes32 private constant KEY = keccak256("ed25519");
    bytes32 private constant CREDENTIAL = keccak256("credential");
    uint256 private constant P256_KEY = 0xb0b;
    uint256 private constant P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
    bytes32 private domain;

    function setUp() public override {
        super.setUp();
        vm.prank(provider);
        domain = identity.createDomain("slicing4meta.devnet");
    }

    function test_domain_belongsToOwnerAndName() public {
        assertEq(domain, keccak256(abi.encode(provider, "slicing4meta.devnet")));
        assertEq(identity.domainOwner(domain), provider);
        assertTrue(identity.createDomain("slicing4meta.devnet") != domain, "no squatting");
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.DomainExists.selector, domain));
        identity.createDomain("slicing4meta.devnet");
    }

    function test_key_isValidWithinItsTimes_andUntilRevoked() public {
        uint64 from = uint64(nowAt() + 10);
        enrol("msmf", KEY, from, from + 100);
        assertFalse(identity.isKeyValid(domain, "msmf", KEY));
        vm.warp(from);
        assertTrue(identity.isKeyValid(domain, "msmf", KEY));
        assertFalse(identity.isKeyValid(domain, "vmof", KEY), "another component's");
        vm.warp(from + 101);
        assertFalse(identity.isKeyValid(domain, "msmf", KEY));
        vm.warp(from + 50);
        vm.prank(provider);
        identity.revokeKey(domain, "msmf", KEY);
        assertFalse(identity.isKeyValid(domain, "msmf", KEY));
        IIdentityRegistry.ComponentKey[] memory keys = identity.keysOf(domain, "msmf");
        assertEq(keys.length, 1);
        assertTrue(keys[0].revoked);
        assertEq(keys[0].notAfter, from + 49);
    }

    function test_rotation_severalKeysAtOnce() public {
        enrol("msmf", KEY, 1, type(uint64).max);
        enrol("msmf", keccak256("second"), 1, type(uint64).max);
        vm.prank(provider);
        identity.revokeKey(domain, "msmf", KEY);
        assertTrue(identity.isKeyValid(domain, "msmf", keccak256("second")));
        assertEq(identity.keysOf(domain, "msmf").length, 2);
    }

    function test_key_refusals() public {
        enrol("msmf", KEY, 1, type(uint64).max);
        vm.expectRevert(
            abi.encodeWithSelector(IIdentityRegistry.NotDomainOwner.selector, domain, provider, address(this))
        );
        identity.enrolKey(domain, "vmof", keccak256("x"), 1, 2);
        vm.startPrank(provider);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.KeyExists.selector, KEY));
        identity.enrolKey(domain, "vmof", KEY, 1, type(uint64).max);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.BadValidity.selector, 5, 5));
        identity.enrolKey(domain, "vmof", keccak256("x"), 5, 5);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.BadValidity.selector, 5, 6));
        identity.enrolKey(domain, "vmof", keccak256("x"), 5, 6);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.KeyUnknown.selector, KEY));
        identity.revokeKey(domain, "vmof", KEY);
        identity.revokeKey(domain, "msmf", KEY);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.KeyAlreadyRevoked.selector, KEY));
        identity.revokeKey(domain, "msmf", KEY);
    }

    function test_passkey_ofTheCaller_isBound_andRevocable() public {
        (bytes32 x, bytes32 y) = register(buyer, "localhost", 0x05, block.chainid);
        (bytes32 keptX, bytes32 keptY) = identity.passkey(buyer, CREDENTIAL);
        assertEq(keptX, x);
        assertEq(keptY, y);
        vm.startPrank(buyer);
        identity.revokePasskey(CREDENTIAL);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.KeyUnknown.selector, CREDENTIAL));
        identity.revokePasskey(CREDENTIAL);
    }

    function test_passkey_badAssertions_areRefused() public {
        refusedPasskey(buyer, "evil.example", 0x05, block.chainid); // another site
        refusedPasskey(buyer, "localhost", 0x01, block.chainid); // user present but not verified
        refusedPasskey(buyer, "localhost", 0x05, block.chainid + 1); // another chain
        refusedPasskey(provider, "localhost", 0x05, block.chainid); // another account's assertion
    }

    function test_attestation_disclosesExactlyOneValue() public {
        bytes32 salt = keccak256("salt");
        bytes32 claim = keccak256("over18");
        uint64 until = uint64(nowAt() + 1 days);
        vm.prank(provider);
        identity.attest(buyer, claim, keccak256(abi.encode(provider, buyer, claim, bytes32("yes"), salt)), until);
        assertTrue(identity.checkDisclosure(provider, buyer, claim, "yes", salt));
        assertFalse(identity.checkDisclosure(provider, buyer, claim, "no", salt));
        assertFalse(identity.checkDisclosure(provider, session, claim, "yes", salt));
        assertFalse(identity.checkDisclosure(buyer, buyer, claim, "yes", salt));
        vm.warp(uint256(until) + 1);
        assertFalse(identity.checkDisclosure(provider, buyer, claim, "yes", salt));
        vm.warp(until);
        vm.startPrank(provider);
        identity.revokeAttestation(buyer, claim);
        assertFalse(identity.checkDisclosure(provider, buyer, claim, "yes", salt));
        vm.expectRevert(IIdentityRegistry.UnknownAttestation.selector);
        identity.revokeAttestation(buyer, claim);
    }

    function enrol(string memory component, bytes32 key, uint64 from, uint64 to) private {
        vm.prank(provider);
        identity.enrolKey(domain, component, key, from, to);
    }

    function refusedPasskey(address sender, string memory site, bytes1 flags, uint256 chainId) private {
        (bytes32 x, bytes32 y, bytes memory data, string memory json, bytes32 r, bytes32 s) =
            assertion(site, flags, chainId);
        vm.prank(sender);
        vm.expectRevert(IIdentityRegistry.BadAssertion.selector);
        identity.registerPasskey(CREDENTIAL, x, y, data, json, 23, 1, r, s);
    }

    function register(address sender, string memory site, bytes1 flags, uint256 chainId)
        private
        returns (bytes32 x, bytes32 y)
    {
        bytes memory data;
        string memory json;
        bytes32 r;
        bytes32 s;
        (x, y, data, json, r, s) = assertion(site, flags, chainId);
        vm.prank(sender);
        identity.registerPasskey(CREDENTIAL, x, y, data, json, 23, 1, r, s);
    }

    /// @dev What an authenticator signs for the buyer: authenticator data and the hash of the client data.
    function assertion(string memory site, bytes1 flags, uint256 chainId)
        private
        view
        returns (bytes32 x, bytes32 y, bytes memory data, string memory json, bytes32 r, bytes32 s)
    {
        (uint256 px, uint256 py) = vm.publicKeyP256(P256_KEY);
        (x, y) = (bytes32(px), bytes32(py));
        bytes32 challenge = sha256(abi.encode(chainId, address(identity), buyer, x, y));
        json = string.concat(
            '{"type":"webauthn.get","challenge":"',
            Base64.encodeURL(bytes.concat(challenge)),
            '","origin":"https://localhost"}'
        );
        data = abi.encodePacked(sha256(bytes(site)), flags, uint32(1));
        (r, s) = vm.signP256(P256_KEY, sha256(abi.encodePacked(data, sha256(bytes(json)))));
        if (uint256(s) > P256_ORDER / 2) s = bytes32(P256_ORDER - uint256(s));
    }
}
