"""Every error of `trust`, one root, each with a stable `code`.

TrustError
├── Refusal                 the gate's "no": becomes problem+json (RFC 9457) with `status` and `code`
│   ├── TokenMissing  TokenInvalid  TokenExpired            401
│   ├── ProofInvalid  ProofReplayed  BodyAltered            401
│   ├── KeyNotEnrolled  KeyRevoked                          401
│   ├── SignInRefused  SignedOut  PassRefused               401
│   ├── PassSpent                                           402
│   ├── TokenRevoked  ReauthenticationRequired              401
│   ├── NotAllowed  NotEntitled                             403
│   ├── BodyTooSlow                                         408
│   ├── BodyTooLarge                                        413
│   ├── TooManyRequests                                     429
│   └── EnrolmentUnreachable  ReplayStoreBusy  RevocationsUnreadable   503
├── KeyFileUnsafe  KeyFileBroken
├── PolicyBroken
├── JournalLocked  JournalTampered  AnchorBroken
├── EnrolmentRefused
└── CalleeUnproven
"""

from typing import ClassVar


class TrustError(Exception):
    """Root. The message says what happened and why; `remedy` says what to do next."""

    code: ClassVar[str] = "trust_error"
    remedy: ClassVar[str] = "Read the message; `s4m trust policy` prints who may call what."


class Refusal(TrustError):
    """A request that the gate does not let through."""

    status: ClassVar[int] = 403
    title: ClassVar[str] = "Refused"

    def problem(self) -> dict[str, object]:
        """The body of the problem+json answer (RFC 9457)."""
        return {
            "type": f"urn:slicing4meta:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": str(self),
            "code": self.code,
            "remedy": self.remedy,
        }


class TokenMissing(Refusal):
    code = "token_missing"
    status = 401
    title = "No access token"
    remedy = "Send `Authorization: DPoP <token>` and a `DPoP` proof; components use trust.gate.GateAuth."


class TokenInvalid(Refusal):
    code = "token_invalid"
    status = 401
    title = "The access token is not valid here"
    remedy = "Mint a token for this audience with the enrolled key; it lives at most 120 s."


class TokenExpired(Refusal):
    code = "token_expired"
    status = 401
    title = "The access token has expired"
    remedy = "Get a fresh token and send the request again."


class ProofInvalid(Refusal):
    code = "proof_invalid"
    status = 401
    title = "The proof of possession does not fit this request"
    remedy = "Sign a new DPoP proof for exactly this method, path, token and body, with a clock within 30 s."


class ProofReplayed(Refusal):
    code = "proof_replayed"
    status = 401
    title = "This proof was used before"
    remedy = "Sign a fresh proof for every request."


class BodyAltered(Refusal):
    code = "body_altered"
    status = 401
    title = "The body is not the one that was signed"
    remedy = "Send the very bytes whose SHA-256 stands in the proof's `bh`."


class KeyNotEnrolled(Refusal):
    code = "key_not_enrolled"
    status = 401
    title = "The key is not enrolled on-chain"
    remedy = "Enrol the component's key in IdentityRegistry (`s4m up` does it) and wait until the block is final."


class KeyRevoked(Refusal):
    code = "key_revoked"
    status = 401
    title = "The key is revoked or past its validity"
    remedy = "Rotate: delete the component's key file, start it again, enrol the new key."


class SignInRefused(Refusal):
    code = "sign_in_refused"
    status = 401
    title = "The sign-in is refused"
    remedy = "Ask for a new nonce and sign the message that this site shows, with the account that it names."


class SignedOut(Refusal):
    code = "signed_out"
    status = 401
    title = "The sign-in has ended"
    remedy = "Sign in again."


class PassRefused(Refusal):
    code = "pass_refused"
    status = 401
    title = "The pass does not hold"
    remedy = "Ask whoever gave it for a new one, made for this device's key."


class PassSpent(Refusal):
    code = "pass_spent"
    status = 402
    title = "The pass' units do not suffice"
    remedy = "Ask for less, or ask whoever gave the pass for another one."


class TokenRevoked(Refusal):
    code = "token_revoked"
    status = 401
    title = "The token, or the subject it names, was revoked"
    remedy = "Ask the operator (`s4m trust revocations`); a buyer may open a new session once the revocation is lifted."


class ReauthenticationRequired(Refusal):
    code = "reauthentication_required"
    status = 401
    title = "Something about this session looks wrong: authenticate again"
    remedy = "Open a new session with a binding signed by the session key; if you did nothing, rotate that key."


class NotAllowed(Refusal):
    code = "not_allowed"
    status = 403
    title = "The policy does not allow this call"
    remedy = "See `s4m trust policy`; what no row of policy.toml names is denied."


class NotEntitled(Refusal):
    code = "not_entitled"
    status = 403
    title = "The subscription does not carry this call (any more)"
    remedy = "Look at the subscription's state; a released or lapsed one has to be bought again."


class BodyTooSlow(Refusal):
    code = "body_too_slow"
    status = 408
    title = "The body did not arrive in time"
    remedy = "Send the whole body within 15 s."


class BodyTooLarge(Refusal):
    code = "body_too_large"
    status = 413
    title = "The body is too large"
    remedy = "Stay under the route's limit (1 MiB unless policy.toml says otherwise)."


class TooManyRequests(Refusal):
    code = "too_many_requests"
    status = 429
    title = "Too many requests"
    remedy = "Wait for the seconds that Retry-After names, then go on more slowly."

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class EnrolmentUnreachable(Refusal):
    code = "enrolment_unreachable"
    status = 503
    title = "The chain cannot be asked whose keys are good"
    remedy = "Bring the Ethereum node back (S4M_RPC_URL); calls pass again as soon as it answers."


class ReplayStoreBusy(Refusal):
    code = "replay_store_busy"
    status = 503
    title = "The store of seen proofs does not answer"
    remedy = "Try again; if it lasts, look for a process that holds the SQLite file or for a full disk."


class RevocationsUnreadable(Refusal):
    code = "revocations_unreadable"
    status = 503
    title = "The store of revocations cannot be read"
    remedy = "Bring the database back, or look for a full disk; calls pass again as soon as it answers."


class KeyFileUnsafe(TrustError):
    code = "key_file_unsafe"
    remedy = "Own the file yourself and `chmod 600` it."


class KeyFileBroken(TrustError):
    code = "key_file_broken"
    remedy = "Restore the file, or delete it: a new key is made and has to be enrolled."


class PolicyBroken(TrustError):
    code = "policy_broken"
    remedy = "Correct the named row of policy.toml."


class JournalLocked(TrustError):
    code = "journal_locked"
    remedy = "One process writes one journal: stop the other one, or give this one its own file."


class JournalTampered(TrustError):
    code = "journal_tampered"
    remedy = "Keep the file as evidence, find out who could write it, start a new journal."


class AnchorBroken(TrustError):
    code = "anchor_broken"
    remedy = "Keep the journal folder as evidence: it does not hold what the chain says it held; find out who wrote it."


class EnrolmentRefused(TrustError):
    code = "enrolment_refused"
    remedy = "Use the domain owner's account and a key that was never revoked."


class CalleeUnproven(TrustError):
    code = "callee_unproven"
    remedy = "Do not use the answer; check the URL and the callee's enrolment."
