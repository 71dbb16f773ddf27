// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Who is who: the on-chain root of zero trust
/// @notice Components (Ed25519 keys of an operator's trust domain) and people (passkeys, attestations).
/// @dev domainId = keccak256(abi.encode(owner, name)): nobody can squat another owner's name.
interface IIdentityRegistry {
    /// @param publicKey raw 32-byte Ed25519 key
    /// @param notAfter last second of validity; revoking sets it to the past
    struct ComponentKey {
        bytes32 publicKey;
        uint64 notBefore;
        uint64 notAfter;
        bool revoked;
    }

    event DomainCreated(bytes32 indexed domainId, address indexed owner, string name);
    event ComponentKeyEnrolled(
        bytes32 indexed domainId, string component, bytes32 indexed publicKey, uint64 notBefore, uint64 notAfter
    );
    event ComponentKeyRevoked(bytes32 indexed domainId, string component, bytes32 indexed publicKey);
    event PasskeyRegistered(address indexed account, bytes32 indexed credentialIdHash, bytes32 x, bytes32 y);
    event PasskeyRevoked(address indexed account, bytes32 indexed credentialIdHash);
    event Attested(
        address indexed issuer, address indexed account, bytes32 indexed claimType, bytes32 commitment, uint64 expires
    );
    event AttestationRevoked(address indexed issuer, address indexed account, bytes32 indexed claimType);

    error DomainExists(bytes32 domainId);
    error NotDomainOwner(bytes32 domainId, address owner, address caller);
    error BadValidity(uint64 notBefore, uint64 notAfter);
    error KeyExists(bytes32 publicKey);
    error KeyUnknown(bytes32 publicKey);
    error KeyAlreadyRevoked(bytes32 publicKey);
    error BadAssertion();
    error UnknownAttestation();

    function createDomain(string calldata name) external returns (bytes32 domainId);
    /// @notice Enrols a component's key. Several keys of one component may be valid at once (rotation with overlap).
    function enrolKey(bytes32 domainId, string calldata component, bytes32 publicKey, uint64 notBefore, uint64 notAfter)
        external;
    function revokeKey(bytes32 domainId, string calldata component, bytes32 publicKey) external;

    function domainIdOf(address owner, string calldata name) external pure returns (bytes32);
    function domainOwner(bytes32 domainId) external view returns (address);
    function keysOf(bytes32 domainId, string calldata component) external view returns (ComponentKey[] memory);
    function isKeyValid(bytes32 domainId, string calldata component, bytes32 publicKey) external view returns (bool);

    /// @notice The caller binds a passkey to its account by a user-verified WebAuthn assertion over
    ///         SHA-256(abi.encode(chainId, registry, account, x, y)); rpIdHash must be the one given at deployment.
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
    ) external;
    function revokePasskey(bytes32 credentialIdHash) external;
    function passkey(address account, bytes32 credentialIdHash) external view returns (bytes32 x, bytes32 y);

    /// @notice The caller, as issuer, attests `commitment` = keccak256(abi.encode(issuer, account, claimType, value, salt)).
    function attest(address account, bytes32 claimType, bytes32 commitment, uint64 expires) external;
    function revokeAttestation(address account, bytes32 claimType) external;
    /// @notice True when the issuer attested exactly this value and the attestation is neither expired nor revoked.
    function checkDisclosure(address issuer, address account, bytes32 claimType, bytes32 value, bytes32 salt)
        external
        view
        returns (bool);
}
