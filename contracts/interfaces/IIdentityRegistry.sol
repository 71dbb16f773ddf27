// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Who is who: the on-chain root of zero trust
/// @notice Components (Ed25519 keys of an operator's trust domain) and people (passkeys, attestations).
/// @dev domainId = keccak256(abi.encode(owner, name)): nobody can squat another owner's name. Times are UTC seconds.
///
///      What is assumed of outsiders everywhere:
///      - Everybody writes for itself only: a domain's owner for its domain, an account for its passkeys, an issuer for
///        its attestations. Whom to believe is the reader's choice: it names the domain or the issuer that it trusts.
///      - An account is whoever holds its key, and nothing here can be handed to another account.
///      - No contract is called, but for SHA-256 and P-256, which the chain offers.
interface IIdentityRegistry {
    /// @notice A component's key and when it counts.
    /// @param publicKey raw 32-byte Ed25519 key
    /// @param notBefore first second of validity
    /// @param notAfter last second of validity; revoking sets it to the past
    /// @param revoked whether it was revoked
    struct ComponentKey {
        bytes32 publicKey;
        uint64 notBefore;
        uint64 notAfter;
        bool revoked;
    }

    /// @notice A trust domain came to be.
    /// @param domainId its id
    /// @param owner who may enrol and revoke its keys, for ever
    /// @param name the owner's name for it
    event DomainCreated(bytes32 indexed domainId, address indexed owner, string name);

    /// @notice A key was enrolled for a component.
    /// @param domainId the domain
    /// @param component the component's name
    /// @param publicKey raw Ed25519 key
    /// @param notBefore first second of validity
    /// @param notAfter last second of validity
    event ComponentKeyEnrolled(
        bytes32 indexed domainId, string component, bytes32 indexed publicKey, uint64 notBefore, uint64 notAfter
    );

    /// @notice A key counts no more from this block on. The gate follows it.
    /// @param domainId the domain
    /// @param component the component's name
    /// @param publicKey raw Ed25519 key
    event ComponentKeyRevoked(bytes32 indexed domainId, string component, bytes32 indexed publicKey);

    /// @notice An account bound a passkey to itself.
    /// @param account whose
    /// @param credentialIdHash the account's name for it: a hash of the credential's id
    /// @param x of the P-256 public key
    /// @param y of the P-256 public key
    event PasskeyRegistered(address indexed account, bytes32 indexed credentialIdHash, bytes32 x, bytes32 y);

    /// @notice An account gave up a passkey.
    /// @param account whose
    /// @param credentialIdHash which
    event PasskeyRevoked(address indexed account, bytes32 indexed credentialIdHash);

    /// @notice An issuer attested a claim, in place of its former one of that type.
    /// @param issuer who says it
    /// @param account of whom
    /// @param claimType what kind of claim
    /// @param commitment to value and salt
    /// @param expires last second of validity
    event Attested(
        address indexed issuer, address indexed account, bytes32 indexed claimType, bytes32 commitment, uint64 expires
    );

    /// @notice An issuer took a claim back.
    /// @param issuer who had said it
    /// @param account of whom
    /// @param claimType what kind of claim
    event AttestationRevoked(address indexed issuer, address indexed account, bytes32 indexed claimType);

    /// @notice The caller has a domain of that name. Use it, or choose another name.
    /// @param domainId the domain
    error DomainExists(bytes32 domainId);

    /// @notice Only the domain's owner may do this. Call from its account.
    /// @param domainId the domain given
    /// @param owner its owner; zero where there is no such domain
    /// @param caller who tried
    error NotDomainOwner(bytes32 domainId, address owner, address caller);

    /// @notice The times are in the wrong order, or over already. Give a later end.
    /// @param notBefore the start given; of an attestation, the block's time
    /// @param notAfter the end given
    error BadValidity(uint64 notBefore, uint64 notAfter);

    /// @notice The key was enrolled in this domain before, revoked or not, or the account has a passkey of that name.
    ///         Make a new key; revoke the passkey first.
    /// @param publicKey the key, or the hash of the credential's id
    error KeyExists(bytes32 publicKey);

    /// @notice The component never had this key, or the account has no such passkey. See `keysOf` or `passkey`.
    /// @param publicKey the key, or the hash of the credential's id
    error KeyUnknown(bytes32 publicKey);

    /// @notice The key was revoked before; nothing is left to do.
    /// @param publicKey the key
    error KeyAlreadyRevoked(bytes32 publicKey);

    /// @notice The passkey's assertion is not over this binding, not for this relying party, not user-verified, or not
    ///         by this key. Ask the authenticator again, and give s in the lower half.
    error BadAssertion();

    /// @notice The caller has no attestation of that type about that account. See its `Attested` events.
    error UnknownAttestation();

    // components

    /// @notice Creates a trust domain of the caller.
    /// @dev Anyone may, under any name: the id tells whose it is, the name alone nothing. Cannot be undone, closed or
    ///      handed over: an owner that loses its key, or has it stolen, needs a new domain, and who trusted the former
    ///      must drop it.
    /// @param name the caller's name for it
    /// @return domainId of the new domain
    function createDomain(string calldata name) external returns (bytes32 domainId);

    /// @notice Enrols a component's key.
    /// @dev Only the domain's owner, whose word it is: nobody checks that the component holds the key. Several keys of
    ///      one component may be valid at once (rotation with overlap). A key belongs to one component of the domain,
    ///      for ever, so one that leaked can never be enrolled again.
    /// @param domainId the domain
    /// @param component the component's name
    /// @param publicKey raw Ed25519 key, never enrolled in the domain before
    /// @param notBefore first second of validity; may be past
    /// @param notAfter last second of validity; not past, and after `notBefore`
    function enrolKey(bytes32 domainId, string calldata component, bytes32 publicKey, uint64 notBefore, uint64 notAfter)
        external;

    /// @notice Revokes a component's key from this block on.
    /// @dev Only the domain's owner. Cannot be undone. Until it is mined the key counts; who acts on keys reads at
    ///      `latest`.
    /// @param domainId the domain
    /// @param component the component's name
    /// @param publicKey a key enrolled for it, expired or not
    function revokeKey(bytes32 domainId, string calldata component, bytes32 publicKey) external;

    /// @notice The id of an owner's domain, created or not.
    /// @param owner whose
    /// @param name the owner's name for it
    /// @return keccak256(abi.encode(owner, name))
    function domainIdOf(address owner, string calldata name) external pure returns (bytes32);

    /// @notice Who may enrol and revoke a domain's keys.
    /// @param domainId the domain
    /// @return its owner; zero where there is no such domain
    function domainOwner(bytes32 domainId) external view returns (address);

    /// @notice All keys that a component ever had, in the order of enrolment.
    /// @param domainId the domain
    /// @param component the component's name
    /// @return keys, those expired and revoked included
    function keysOf(bytes32 domainId, string calldata component) external view returns (ComponentKey[] memory);

    /// @notice Whether a key counts for a component now.
    /// @param domainId the domain
    /// @param component the component's name
    /// @param publicKey raw Ed25519 key
    /// @return whether it was enrolled, not revoked, and this second lies within its validity
    function isKeyValid(bytes32 domainId, string calldata component, bytes32 publicKey) external view returns (bool);

    // people

    /// @notice Binds a passkey to the caller by a user-verified WebAuthn assertion.
    /// @dev The account itself must call, and the passkey sign: the challenge SHA-256(abi.encode(chainId, registry,
    ///      account, x, y)) is worth nothing to another account, registry or chain. It carries no nonce: after
    ///      `revokePasskey` the account can bring the same assertion again. The authenticator's counter is not looked
    ///      at, and the credential's id is the caller's word. No biometric data is seen here. P-256 is checked by the
    ///      chain's precompile, else in Solidity, which costs more gas.
    /// @param credentialIdHash the account's name for the passkey: a hash of the credential's id
    /// @param x of the P-256 public key
    /// @param y of the P-256 public key
    /// @param authenticatorData as the authenticator gave it; its rpIdHash must be the one given at deployment
    /// @param clientDataJson as the browser gave it
    /// @param challengeIndex where `"challenge":"…"` begins in it, in bytes
    /// @param typeIndex where `"type":"webauthn.get"` begins in it, in bytes
    /// @param r of the signature
    /// @param s of the signature, in the lower half: n - s where the authenticator gave the upper
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

    /// @notice Gives up a passkey of the caller.
    /// @dev Only the account itself, so one whose key is lost cannot. The name is free again.
    /// @param credentialIdHash which
    function revokePasskey(bytes32 credentialIdHash) external;

    /// @notice The public key of an account's passkey.
    /// @param account whose
    /// @param credentialIdHash which
    /// @return x of the P-256 public key; 0 for none
    /// @return y of the P-256 public key; 0 for none
    function passkey(address account, bytes32 credentialIdHash) external view returns (bytes32 x, bytes32 y);

    /// @notice Attests a claim about an account, as a commitment by the caller as issuer.
    /// @dev Anyone may be an issuer, about anyone, unasked: a reader believes the issuers that it chose. Replaces the
    ///      caller's former claim of that type. The commitment is not checked; without a salt of 256 random bits, new
    ///      for each claim, it could be guessed open.
    /// @param account of whom
    /// @param claimType what kind of claim
    /// @param commitment keccak256(abi.encode(issuer, account, claimType, value, salt))
    /// @param expires last second of validity; not past
    function attest(address account, bytes32 claimType, bytes32 commitment, uint64 expires) external;

    /// @notice Takes back a claim of the caller as issuer, from this block on.
    /// @dev Only the issuer. What was disclosed before stays known.
    /// @param account of whom
    /// @param claimType what kind of claim
    function revokeAttestation(address account, bytes32 claimType) external;

    /// @notice Whether the issuer attested exactly this value and the attestation is neither expired nor revoked.
    /// @dev For `eth_call` on a node that the reader trusts: a transaction would publish value and salt. The account
    ///      chooses whom it gives them to; whoever has them can show them on.
    /// @param issuer whom the reader believes
    /// @param account of whom
    /// @param claimType what kind of claim
    /// @param value the claim
    /// @param salt of the commitment
    /// @return whether it holds now
    function checkDisclosure(address issuer, address account, bytes32 claimType, bytes32 value, bytes32 salt)
        external
        view
        returns (bool);
}
