// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {WebAuthn} from "@openzeppelin/contracts/utils/cryptography/WebAuthn.sol";
import {IIdentityRegistry} from "./interfaces/IIdentityRegistry.sol";

// slither-disable-start timestamp -- a block's proposer can shift it by seconds: validity ends so much off, no more
/// @title Who is who: components' keys, people's passkeys, issuers' attestations
/// @notice Holds hashes and public keys only.
contract IdentityRegistry is IIdentityRegistry {
    struct Point {
        bytes32 x;
        bytes32 y;
    }

    struct Attestation {
        bytes32 commitment;
        uint64 expires;
    }

    // slither-disable-start naming-convention -- fixed at deployment, so written like a constant
    /// @notice SHA-256 of the relying party's id; the first 32 bytes of every passkey's authenticator data.
    bytes32 public immutable RP_ID_HASH;
    // slither-disable-end naming-convention

    mapping(bytes32 domainId => address) private _owners;
    mapping(bytes32 domainId => mapping(bytes32 component => ComponentKey[])) private _keys;
    /// @dev place + 1 of a key in its component's list; a key belongs to one component of a domain, for ever.
    mapping(bytes32 domainId => mapping(bytes32 publicKey => uint256)) private _places;
    mapping(address account => mapping(bytes32 credentialIdHash => Point)) private _passkeys;
    mapping(address issuer => mapping(address account => mapping(bytes32 claimType => Attestation))) private
        _attestations;

    constructor(string memory rpId) {
        RP_ID_HASH = sha256(bytes(rpId));
    }

    /// @inheritdoc IIdentityRegistry
    function createDomain(string calldata name) external returns (bytes32 domainId) {
        domainId = domainIdOf(msg.sender, name);
        require(_owners[domainId] == address(0), DomainExists(domainId));
        _owners[domainId] = msg.sender;
        emit DomainCreated(domainId, msg.sender, name);
    }

    /// @inheritdoc IIdentityRegistry
    function enrolKey(bytes32 domainId, string calldata component, bytes32 publicKey, uint64 notBefore, uint64 notAfter)
        external
    {
        _requireDomainOwner(domainId);
        require(notBefore < notAfter && notAfter >= block.timestamp, BadValidity(notBefore, notAfter));
        require(_places[domainId][publicKey] == 0, KeyExists(publicKey));
        ComponentKey[] storage keys = _keys[domainId][_nameHash(component)];
        keys.push(ComponentKey({publicKey: publicKey, notBefore: notBefore, notAfter: notAfter, revoked: false}));
        _places[domainId][publicKey] = keys.length;
        emit ComponentKeyEnrolled(domainId, component, publicKey, notBefore, notAfter);
    }

    /// @inheritdoc IIdentityRegistry
    function revokeKey(bytes32 domainId, string calldata component, bytes32 publicKey) external {
        _requireDomainOwner(domainId);
        uint256 place = _placeOf(domainId, component, publicKey);
        require(place != 0, KeyUnknown(publicKey));
        ComponentKey storage key = _keys[domainId][_nameHash(component)][place - 1];
        require(!key.revoked, KeyAlreadyRevoked(publicKey));
        key.revoked = true;
        key.notAfter = uint64(block.timestamp - 1);
        emit ComponentKeyRevoked(domainId, component, publicKey);
    }

    /// @inheritdoc IIdentityRegistry
    function registerPasskey(
        bytes32 credentialIdHash,
        bytes32 x,
        bytes32 y,
        bytes calldata authenticatorData,
        string calldata clientDataJson,
        uint256 challengeIndex,
        uint256 typeIndex,
        bytes32 r,
        bytes32 s
    ) external {
        Point storage point = _passkeys[msg.sender][credentialIdHash];
        require(point.x == 0 && point.y == 0, KeyExists(credentialIdHash));
        WebAuthn.WebAuthnAuth memory assertion =
            WebAuthn.WebAuthnAuth(r, s, challengeIndex, typeIndex, authenticatorData, clientDataJson);
        require(_isAssertion(assertion, x, y), BadAssertion());
        (point.x, point.y) = (x, y);
        emit PasskeyRegistered(msg.sender, credentialIdHash, x, y);
    }

    /// @inheritdoc IIdentityRegistry
    function revokePasskey(bytes32 credentialIdHash) external {
        Point storage point = _passkeys[msg.sender][credentialIdHash];
        require(point.x != 0 || point.y != 0, KeyUnknown(credentialIdHash));
        delete _passkeys[msg.sender][credentialIdHash];
        emit PasskeyRevoked(msg.sender, credentialIdHash);
    }

    /// @inheritdoc IIdentityRegistry
    function attest(address account, bytes32 claimType, bytes32 commitment, uint64 expires) external {
        require(expires >= block.timestamp, BadValidity(uint64(block.timestamp), expires));
        _attestations[msg.sender][account][claimType] = Attestation({commitment: commitment, expires: expires});
        emit Attested(msg.sender, account, claimType, commitment, expires);
    }

    /// @inheritdoc IIdentityRegistry
    function revokeAttestation(address account, bytes32 claimType) external {
        require(_attestations[msg.sender][account][claimType].expires != 0, UnknownAttestation());
        delete _attestations[msg.sender][account][claimType];
        emit AttestationRevoked(msg.sender, account, claimType);
    }

    /// @inheritdoc IIdentityRegistry
    function domainOwner(bytes32 domainId) external view returns (address) {
        return _owners[domainId];
    }

    /// @inheritdoc IIdentityRegistry
    function keysOf(bytes32 domainId, string calldata component) external view returns (ComponentKey[] memory) {
        return _keys[domainId][_nameHash(component)];
    }

    /// @inheritdoc IIdentityRegistry
    function isKeyValid(bytes32 domainId, string calldata component, bytes32 publicKey) external view returns (bool) {
        uint256 place = _placeOf(domainId, component, publicKey);
        if (place == 0) return false;
        ComponentKey storage key = _keys[domainId][_nameHash(component)][place - 1];
        return !key.revoked && key.notBefore <= block.timestamp && block.timestamp <= key.notAfter;
    }

    /// @inheritdoc IIdentityRegistry
    function passkey(address account, bytes32 credentialIdHash) external view returns (bytes32 x, bytes32 y) {
        Point storage point = _passkeys[account][credentialIdHash];
        return (point.x, point.y);
    }

    /// @inheritdoc IIdentityRegistry
    function checkDisclosure(address issuer, address account, bytes32 claimType, bytes32 value, bytes32 salt)
        external
        view
        returns (bool)
    {
        Attestation storage attestation = _attestations[issuer][account][claimType];
        return attestation.expires >= block.timestamp
            && attestation.commitment == keccak256(abi.encode(issuer, account, claimType, value, salt));
    }

    /// @inheritdoc IIdentityRegistry
    function domainIdOf(address owner, string calldata name) public pure returns (bytes32) {
        return keccak256(abi.encode(owner, name));
    }

    function _requireDomainOwner(bytes32 domainId) private view {
        address owner = _owners[domainId];
        require(owner == msg.sender, NotDomainOwner(domainId, owner, msg.sender));
    }

    /// @dev The challenge binds the passkey to this chain, this registry and the caller: no replay elsewhere.
    function _isAssertion(WebAuthn.WebAuthnAuth memory assertion, bytes32 x, bytes32 y) private view returns (bool) {
        bytes32 challenge = sha256(abi.encode(block.chainid, address(this), msg.sender, x, y));
        return assertion.authenticatorData.length >= 32 && bytes32(assertion.authenticatorData) == RP_ID_HASH
            && WebAuthn.verify(bytes.concat(challenge), assertion, x, y);
    }

    /// @dev Place + 1 of the key in this component's list; 0 when the component never had it.
    function _placeOf(bytes32 domainId, string calldata component, bytes32 publicKey)
        private
        view
        returns (uint256 place)
    {
        ComponentKey[] storage keys = _keys[domainId][_nameHash(component)];
        place = _places[domainId][publicKey];
        if (place > keys.length || (place != 0 && keys[place - 1].publicKey != publicKey)) place = 0;
    }

    function _nameHash(string calldata component) private pure returns (bytes32) {
        return keccak256(bytes(component));
    }
}
// slither-disable-end timestamp
