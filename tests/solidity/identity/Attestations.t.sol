// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IIdentityRegistry} from "../../../contracts/interfaces/IIdentityRegistry.sol";
import {IdentityUnit} from "./IdentityUnit.sol";

/// @notice What issuers say of people, and who learns it.
contract AttestationsTest is IdentityUnit {
    function test_attest_itHasExpired_isRefused(uint64 expires) public {
        expires = uint64(bound(expires, 0, nowAt() - 1));
        bytes memory call = abi.encodeCall(identity.attest, (buyer, CLAIM, commitment("yes"), expires));
        refused(provider, call, badValidity(nowAt(), expires));
    }

    function test_attest_itExpiresInThisSecond_isAttested() public {
        attest("yes", uint64(nowAt()));
        assertTrue(discloses(provider));
    }

    function test_attest_byAnyIssuer_isAttestedAndTellsAllOfIt(
        address issuer,
        address account,
        bytes32 claim,
        bytes32 value,
        uint64 expires
    ) public {
        expires = uint64(bound(expires, nowAt(), FOREVER));
        bytes32 committed = keccak256(abi.encode(issuer, account, claim, value, SALT));
        vm.expectEmit(address(identity));
        emit IIdentityRegistry.Attested(issuer, account, claim, committed, expires);
        vm.prank(issuer);
        identity.attest(account, claim, committed, expires);
        assertTrue(identity.checkDisclosure(issuer, account, claim, value, SALT));
    }

    function test_attest_anEarlierAttestationOfTheClaim_takesItsPlace() public {
        attest("yes", FOREVER);
        attest("no", uint64(nowAt() + 1));
        assertFalse(discloses(provider));
        assertTrue(identity.checkDisclosure(provider, buyer, CLAIM, "no", SALT));
        vm.warp(nowAt() + 2);
        assertFalse(identity.checkDisclosure(provider, buyer, CLAIM, "no", SALT));
    }

    function test_revokeAttestation_noSuchAttestation_isRefused() public {
        refused(provider, abi.encodeCall(identity.revokeAttestation, (buyer, CLAIM)), unknownAttestation());
    }

    function test_revokeAttestation_anotherIssuersAttestation_isRefused() public {
        attest("yes", FOREVER);
        refused(stranger, abi.encodeCall(identity.revokeAttestation, (buyer, CLAIM)), unknownAttestation());
    }

    function test_revokeAttestation_anAttestationOfTheCaller_isGone() public {
        attest("yes", FOREVER);
        revoked();
        refused(provider, abi.encodeCall(identity.revokeAttestation, (buyer, CLAIM)), unknownAttestation());
    }

    function test_revokeAttestation_oneThatHasExpired_isGone() public {
        attest("yes", uint64(nowAt()));
        vm.warp(nowAt() + 1);
        revoked();
    }

    function test_checkDisclosure_noSuchAttestation_isFalse(address issuer, bytes32 value, bytes32 salt) public view {
        assertFalse(identity.checkDisclosure(issuer, buyer, CLAIM, value, salt));
    }

    function test_checkDisclosure_anyPartDiffers_isFalse(address other, bytes32 part) public {
        vm.assume(other != provider && other != buyer);
        vm.assume(part != CLAIM && part != bytes32("yes") && part != SALT);
        attest("yes", FOREVER);
        assertFalse(identity.checkDisclosure(other, buyer, CLAIM, "yes", SALT));
        assertFalse(identity.checkDisclosure(provider, other, CLAIM, "yes", SALT));
        assertFalse(identity.checkDisclosure(provider, buyer, part, "yes", SALT));
        assertFalse(identity.checkDisclosure(provider, buyer, CLAIM, part, SALT));
        assertFalse(identity.checkDisclosure(provider, buyer, CLAIM, "yes", part));
    }

    function test_checkDisclosure_atTheLastSecond_isTrue() public {
        attest("yes", uint64(nowAt() + 1 days));
        vm.warp(nowAt() + 1 days);
        assertTrue(discloses(provider));
    }

    function test_checkDisclosure_aSecondLater_isFalse() public {
        attest("yes", uint64(nowAt() + 1 days));
        vm.warp(nowAt() + 1 days + 1);
        assertFalse(discloses(provider));
    }

    function test_checkDisclosure_itWasRevoked_isFalse() public {
        attest("yes", FOREVER);
        revoked();
        assertFalse(discloses(provider));
    }

    function test_checkDisclosure_theAttestedValueAndSalt_isTrue() public {
        attest("yes", FOREVER);
        assertTrue(discloses(provider));
    }

    function attest(bytes32 value, uint64 expires) private {
        vm.prank(provider);
        identity.attest(buyer, CLAIM, commitment(value), expires);
    }

    function revoked() private {
        vm.expectEmit(address(identity));
        emit IIdentityRegistry.AttestationRevoked(provider, buyer, CLAIM);
        vm.prank(provider);
        identity.revokeAttestation(buyer, CLAIM);
        assertFalse(discloses(provider));
    }

    function commitment(bytes32 value) private view returns (bytes32) {
        return keccak256(abi.encode(provider, buyer, CLAIM, value, SALT));
    }

    function unknownAttestation() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IIdentityRegistry.UnknownAttestation.selector);
    }
}
