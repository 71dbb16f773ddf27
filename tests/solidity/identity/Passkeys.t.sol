// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {IIdentityRegistry} from "../../../contracts/interfaces/IIdentityRegistry.sol";
import {IdentityUnit} from "./IdentityUnit.sol";

/// @notice People bind passkeys to their accounts.
contract PasskeysTest is IdentityUnit {
    uint256 private constant P256_KEY = 0xb0b;
    uint256 private constant P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
    bytes1 private constant PRESENT_AND_VERIFIED = 0x05;

    /// @dev What an authenticator is asked to sign; a test changes one part of it.
    struct Asked {
        address account;
        string site;
        bytes1 flags;
        string kind;
        uint256 chainId;
        address registry;
        uint256 key;
    }

    /// @dev What it answers.
    struct Assertion {
        bytes32 x;
        bytes32 y;
        bytes data;
        string json;
        uint256 challengeIndex;
        bytes32 r;
        bytes32 s;
    }

    function test_registerPasskey_theCredentialRegisteredByTheCaller_isRefused() public {
        register(buyer, assertion(asked()));
        refused(buyer, registration(assertion(asked())), keyExists(CREDENTIAL));
    }

    function test_registerPasskey_theCredentialRegisteredByAnother_isBoundToTheCallerToo() public {
        register(buyer, assertion(asked()));
        Asked memory own = asked();
        (own.account, own.key) = (stranger, P256_KEY + 1);
        Assertion memory made = assertion(own);
        register(stranger, made);
        expectPasskey(stranger, made.x, made.y);
        expectPasskey(buyer, assertion(asked()).x, assertion(asked()).y);
    }

    function test_registerPasskey_aCredentialThatWasRevoked_mayBeBoundAgain() public {
        register(buyer, assertion(asked()));
        vm.prank(buyer);
        identity.revokePasskey(CREDENTIAL);
        register(buyer, assertion(asked()));
        expectPasskey(buyer, assertion(asked()).x, assertion(asked()).y);
    }

    function test_registerPasskey_forAnotherSite_isRefused() public {
        Asked memory wrong = asked();
        wrong.site = "evil.example";
        refusedAssertion(assertion(wrong));
    }

    function test_registerPasskey_theUserWasNotVerified_isRefused() public {
        Asked memory wrong = asked();
        wrong.flags = 0x01;
        refusedAssertion(assertion(wrong));
    }

    function test_registerPasskey_theUserWasNotPresent_isRefused() public {
        Asked memory wrong = asked();
        wrong.flags = 0x04;
        refusedAssertion(assertion(wrong));
    }

    function test_registerPasskey_madeForAnotherChain_isRefused() public {
        Asked memory wrong = asked();
        wrong.chainId += 1;
        refusedAssertion(assertion(wrong));
    }

    function test_registerPasskey_madeForAnotherRegistry_isRefused() public {
        Asked memory wrong = asked();
        wrong.registry = address(market);
        refusedAssertion(assertion(wrong));
    }

    function test_registerPasskey_madeForAnotherAccount_isRefused() public {
        refused(stranger, registration(assertion(asked())), badAssertion());
    }

    function test_registerPasskey_madeForAnotherKey_isRefused() public {
        Assertion memory wrong = assertion(asked());
        Asked memory other = asked();
        other.key += 1;
        (wrong.x, wrong.y) = (assertion(other).x, assertion(other).y);
        refusedAssertion(wrong);
    }

    function test_registerPasskey_theAuthenticatorDataIsTooShort_isRefused(uint8 length) public {
        Assertion memory wrong = assertion(asked());
        length = uint8(bound(length, 0, 36));
        bytes memory data = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            data[i] = wrong.data[i];
        }
        wrong.data = data;
        signed(wrong, P256_KEY);
        refusedAssertion(wrong);
    }

    function test_registerPasskey_itIsNotAnAssertion_isRefused() public {
        Asked memory wrong = asked();
        wrong.kind = "webauthn.create";
        refusedAssertion(assertion(wrong));
    }

    /// forge-config: default.fuzz.runs = 100
    /// @dev A signature of P-256 is checked in Solidity: 300,000 gas a run.
    function test_registerPasskey_theSignatureIsAnother_isRefused(bytes32 r, bytes32 s) public {
        Assertion memory wrong = assertion(asked());
        vm.assume(r != wrong.r || s != wrong.s);
        (wrong.r, wrong.s) = (r, s);
        refusedAssertion(wrong);
        signed(wrong, P256_KEY + 1);
        refusedAssertion(wrong);
    }

    function test_registerPasskey_theSignatureHasAHighS_isRefused() public {
        Assertion memory wrong = assertion(asked());
        wrong.s = bytes32(P256_ORDER - uint256(wrong.s));
        refusedAssertion(wrong);
    }

    function test_registerPasskey_aChainWithoutThePrecompile_isBoundAndTellsAllOfIt() public {
        assertGt(registered(), 200_000, "checked in Solidity");
    }

    /// forge-config: default.evm_version = "osaka"
    /// forge-config: soak.evm_version = "osaka"
    function test_registerPasskey_aChainWithThePrecompile_isBoundForLittleGas() public {
        assertLt(registered(), 120_000, "checked by the chain");
    }

    function test_revokePasskey_aCredentialNeverRegistered_isRefused(bytes32 credential) public {
        refused(buyer, abi.encodeCall(identity.revokePasskey, (credential)), keyUnknown(credential));
    }

    function test_revokePasskey_aCredentialOfAnotherAccount_isRefused() public {
        register(buyer, assertion(asked()));
        refused(stranger, abi.encodeCall(identity.revokePasskey, (CREDENTIAL)), keyUnknown(CREDENTIAL));
    }

    function test_revokePasskey_aCredentialOfTheCaller_isGone() public {
        register(buyer, assertion(asked()));
        vm.expectEmit(address(identity));
        emit IIdentityRegistry.PasskeyRevoked(buyer, CREDENTIAL);
        vm.prank(buyer);
        identity.revokePasskey(CREDENTIAL);
        expectPasskey(buyer, 0, 0);
    }

    function test_passkey_aCredentialNeverRegistered_isZero(address account, bytes32 credential) public view {
        (bytes32 x, bytes32 y) = identity.passkey(account, credential);
        assertEq(x | y, 0);
    }

    function test_passkey_aRegisteredCredential_isItsPublicKey() public {
        register(buyer, assertion(asked()));
        (uint256 x, uint256 y) = vm.publicKeyP256(P256_KEY);
        expectPasskey(buyer, bytes32(x), bytes32(y));
    }

    function registered() private returns (uint256 gasUsed) {
        Assertion memory made = assertion(asked());
        bytes memory call = registration(made);
        vm.expectEmit(address(identity));
        emit IIdentityRegistry.PasskeyRegistered(buyer, CREDENTIAL, made.x, made.y);
        vm.prank(buyer);
        gasUsed = gasleft();
        (bool passed,) = address(identity).call(call);
        gasUsed -= gasleft();
        assertTrue(passed);
        expectPasskey(buyer, made.x, made.y);
    }

    function register(address caller, Assertion memory made) private {
        bytes memory call = registration(made);
        vm.prank(caller);
        (bool passed,) = address(identity).call(call);
        assertTrue(passed, "registered");
    }

    function refusedAssertion(Assertion memory wrong) private {
        refused(buyer, registration(wrong), badAssertion());
    }

    function registration(Assertion memory made) private view returns (bytes memory) {
        return abi.encodeCall(
            identity.registerPasskey,
            (CREDENTIAL, made.x, made.y, made.data, made.json, made.challengeIndex, 1, made.r, made.s)
        );
    }

    function expectPasskey(address account, bytes32 x, bytes32 y) private view {
        (bytes32 keptX, bytes32 keptY) = identity.passkey(account, CREDENTIAL);
        assertEq(keptX, x);
        assertEq(keptY, y);
    }

    function asked() private view returns (Asked memory) {
        return
            Asked(buyer, "localhost", PRESENT_AND_VERIFIED, "webauthn.get", block.chainid, address(identity), P256_KEY);
    }

    /// @dev An authenticator's answer: authenticator data, client data and a signature over both.
    function assertion(Asked memory given) private pure returns (Assertion memory made) {
        (uint256 x, uint256 y) = vm.publicKeyP256(given.key);
        (made.x, made.y) = (bytes32(x), bytes32(y));
        bytes32 challenge = sha256(abi.encode(given.chainId, given.registry, given.account, x, y));
        made.json = string.concat(
            '{"type":"',
            given.kind,
            '","challenge":"',
            Base64.encodeURL(bytes.concat(challenge)),
            '","origin":"https://localhost"}'
        );
        made.challengeIndex = 11 + bytes(given.kind).length;
        made.data = abi.encodePacked(sha256(bytes(given.site)), given.flags, uint32(1));
        signed(made, given.key);
    }

    function signed(Assertion memory made, uint256 key) private pure {
        (made.r, made.s) = vm.signP256(key, sha256(abi.encodePacked(made.data, sha256(bytes(made.json)))));
        if (uint256(made.s) > P256_ORDER / 2) made.s = bytes32(P256_ORDER - uint256(made.s));
    }

    function badAssertion() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IIdentityRegistry.BadAssertion.selector);
    }
}
