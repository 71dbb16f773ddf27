"""Every error of the ledger: one root, each with a stable code, what happened, why, and what to do.

    LedgerError
    ├── NodeDown            no answer from the node
    ├── NodeError           the node answered with an error of its own
    ├── WrongChain          the node serves another chain id
    ├── ChainReplaced       same chain id, other genesis: another chain under the old name
    ├── BlockGone           a pinned block is no longer in the chain
    ├── Reverted            a contract refused (decoded; `code` is the error's name in snake_case)
    ├── TransactionPending  sent, not mined in time
    ├── TransactionCancelled  its sender put an empty transaction in its place
    ├── NothingToReplace    what should be sped up or cancelled is mined, or cannot be signed again here
    ├── RehearsalUnavailable  the node cannot play calls one after the other
    ├── KeyReused           one idempotency key, two different calls
    ├── GasUnfunded         the sending account cannot pay for gas
    ├── ContractAbsent      no code answers at the contract's address
    ├── EventMissing        a receipt lacks the event that was asked for
    ├── PortTaken, AnvilMissing, DevnetFailed
    ├── ArtifactMissing, DeploymentMissing, DeploymentMalformed
    ├── KeyFileMissing, KeyFileExposed, KeyFileExists, KeyFileMalformed, WrongPassword
    ├── MnemonicInvalid
    ├── SignerDown, SignerRefused, SignerDiffers  of a signer that holds the key elsewhere
    ├── AddressMalformed, SignatureMalformed, RecordMalformed, EventMalformed
    ├── ValueOutOfRange     a number that the contract's types cannot hold
    └── RecordOutOfOrder    a usage log only grows at its end

Called by everyone. It imports nothing of the project; `ledger.reverts` builds Reverted from a contract's answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit


class LedgerError(Exception):
    """Root. `message` says what happened and why, `remedy` what to do next."""

    code: str = "ledger_error"

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"


class NodeDown(LedgerError):
    code = "node_down"

    def __init__(self, url: str, cause: str) -> None:
        self.url = without_credentials(url)
        self.cause = cause
        super().__init__(
            f"The Ethereum node at {self.url} does not answer ({cause}).",
            "Start it (`s4m devnet` or `s4m up`) or correct the RPC URL, then try again.",
        )


class NodeError(LedgerError):
    code = "node_error"

    def __init__(self, method: str, number: int, reason: str, data: str = "") -> None:
        self.method = method
        self.number = number
        self.reason = reason
        self.data = data  # what a revert returned, 0x hexadecimal
        super().__init__(
            f"The Ethereum node refused {method}: {reason} (JSON-RPC error {number}).",
            "Check that the node supports this call and is in step with its network.",
        )


class WrongChain(LedgerError):
    code = "wrong_chain"

    def __init__(self, expected: int, actual: int) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"The node serves chain {actual}, but chain {expected} is wanted.",
            f"Point the RPC URL at chain {expected}, or use the deployment of chain {actual}.",
        )


class ChainReplaced(LedgerError):
    code = "chain_replaced"

    def __init__(self, chain_id: int, expected: str, actual: str) -> None:
        self.chain_id = chain_id
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"Chain {chain_id} is not the one that was deployed to: its genesis is {actual}, not {expected}.",
            "Nothing was touched. Restore the chain's state, or take a fresh S4M_HOME and deploy anew.",
        )


class BlockGone(LedgerError):
    code = "block_gone"

    def __init__(self, number: int, block_hash: str) -> None:
        self.number = number
        self.block_hash = block_hash
        super().__init__(
            f"Block {number} ({block_hash}) is not in the node's chain: it was reorganised away or never known.",
            "Take a fresh block stamp and decide again.",
        )


class Reverted(LedgerError):
    """A contract refused the call; nothing changed.

    `name` is the Solidity error's name ("Error" for a reason string, "Panic" for a panic, "Unknown" where no ABI knows
    it), `arguments` its named values, `code` the name in snake_case, such as "insufficient_balance".
    """

    code = "reverted"

    def __init__(self, name: str, arguments: Mapping[str, object], message: str, remedy: str, code: str) -> None:
        self.name = name
        self.arguments = dict(arguments)
        self.code = code
        super().__init__(message, remedy)


class TransactionPending(LedgerError):
    code = "transaction_pending"

    def __init__(self, tx_hash: str, key: str, waited_s: float) -> None:
        self.tx_hash = tx_hash
        self.key = key
        super().__init__(
            f"Transaction {tx_hash} was sent but not mined within {waited_s:g} s.",
            f"Send again with the same key ({key!r}): that waits on and sends nothing twice.",
        )


class TransactionCancelled(LedgerError):
    code = "transaction_cancelled"

    def __init__(self, tx_hash: str, description: str) -> None:
        self.tx_hash = tx_hash
        super().__init__(
            f"{description or 'The transaction'} was cancelled: the empty transaction {tx_hash} took its place.",
            "Nothing else was changed. Run the command again if you want it after all.",
        )


class NothingToReplace(LedgerError):
    code = "nothing_to_replace"

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(
            f"{what} cannot be replaced: {reason}.",
            "See what waits with `s4m tx list`; what is mined stays.",
        )


class RehearsalUnavailable(LedgerError):
    code = "rehearsal_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The node cannot play transactions without sending them (eth_simulateV1: {reason}): their gas is unknown.",
            "Ask another node (anvil, geth 1.14 or later), or leave out --dry-run.",
        )


class KeyReused(LedgerError):
    code = "key_reused"

    def __init__(self, key: str, earlier: str, later: str) -> None:
        self.key = key
        super().__init__(
            f"The idempotency key {key!r} already stands for another call ({earlier}), now given for: {later}.",
            "Use one key for one call.",
        )


class GasUnfunded(LedgerError):
    code = "gas_unfunded"

    def __init__(self, account: str, reason: str) -> None:
        self.account = account
        super().__init__(
            f"The account {account} cannot pay for this transaction's gas ({reason}).",
            "Send it some ether (`s4m devnet fund` on a devnet), then try again.",
        )


class ContractAbsent(LedgerError):
    code = "contract_absent"

    def __init__(self, contract: str, place: str) -> None:
        super().__init__(
            f"No contract answers at {place}, where {contract} should be (at the block that was asked for).",
            "Check that the deployment file belongs to this chain and is not younger than the block.",
        )


class EventMissing(LedgerError):
    code = "event_missing"

    def __init__(self, event: str, tx_hash: str) -> None:
        super().__init__(
            f"The receipt of {tx_hash} has no {event} event.",
            "Check that the deployment file names the contracts that were called.",
        )


class PortTaken(LedgerError):
    code = "port_taken"

    def __init__(self, host: str, port: int) -> None:
        self.port = port
        super().__init__(
            f"Port {port} on {host} is already in use.",
            "Stop the program that holds it, give another port, or give port 0 for a free one.",
        )


class AnvilMissing(LedgerError):
    code = "anvil_missing"

    def __init__(self, looked_for: str) -> None:
        super().__init__(
            f"The local Ethereum node `anvil` was not found ({looked_for}).",
            "Run `make setup` in the repository, or `npm install --no-save @foundry-rs/anvil` in the current folder.",
        )


class DevnetFailed(LedgerError):
    code = "devnet_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The local Ethereum node did not come up: {reason}.", "Read its log beside its state file.")


class ArtifactMissing(LedgerError):
    code = "artifact_missing"

    def __init__(self, contract: str, path: Path) -> None:
        super().__init__(
            f"The compiled contract {contract} is missing or unreadable at {path}.",
            "Run `make contracts` to compile the contracts.",
        )


class DeploymentMissing(LedgerError):
    code = "deployment_missing"

    def __init__(self, path: Path) -> None:
        super().__init__(f"There is no deployment file at {path}.", "Run `s4m deploy` (or `s4m up`) first.")


class DeploymentMalformed(LedgerError):
    code = "deployment_malformed"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"The deployment file {path} cannot be read: {reason}.", "Restore it or deploy anew.")


class KeyFileMissing(LedgerError):
    code = "key_file_missing"

    def __init__(self, path: Path) -> None:
        super().__init__(f"There is no key file at {path}.", "Create it, or correct the path.")


class KeyFileExposed(LedgerError):
    code = "key_file_exposed"

    def __init__(self, path: Path, mode: int) -> None:
        super().__init__(
            f"The key file {path} can be read by others (mode {mode:04o}).",
            f"Run `chmod 600 {path}`; if others may have read it, make a new key.",
        )


class KeyFileExists(LedgerError):
    code = "key_file_exists"

    def __init__(self, path: Path) -> None:
        super().__init__(f"A key file already stands at {path}.", "Give another path; keys are never overwritten.")


class KeyFileMalformed(LedgerError):
    code = "key_file_malformed"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"The key file {path} is not readable as a key: {reason}.", "Restore it from a copy.")


class WrongPassword(LedgerError):
    code = "wrong_password"

    def __init__(self, path: Path) -> None:
        super().__init__(f"The password does not open the keystore {path}.", "Try again with the right one.")


class MnemonicInvalid(LedgerError):
    code = "mnemonic_invalid"

    def __init__(self, reason: str) -> None:  # never the words themselves
        super().__init__(
            f"The mnemonic gives no key: {reason}.",
            "Check each word, their order and number (12 to 24), and the path, such as m/44'/60'/0'/0/0.",
        )


class SignerDown(LedgerError):
    code = "signer_down"

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(
            f"The signer at {without_credentials(url)} does not answer ({cause}); nothing was signed.",
            "Start it, answer its question in time, or correct the wallet's address with `s4m wallet connect`.",
        )


class SignerRefused(LedgerError):
    code = "signer_refused"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"The signer at {without_credentials(url)} did not sign: {reason}.",
            "Approve it in the signer, unlock the account there, or use another wallet.",
        )


class SignerDiffers(LedgerError):
    code = "signer_differs"

    def __init__(self, url: str, what: str, expected: object, given: object) -> None:
        super().__init__(
            f"The signer at {without_credentials(url)} signed something else: {what} is {given}, due was {expected}.",
            "Nothing of it was used by s4m. Check the signer before you trust it with money.",
        )


class AddressMalformed(LedgerError):
    code = "address_malformed"

    def __init__(self, text: object) -> None:
        super().__init__(f"{text!r} is not an Ethereum address.", "Give 0x and 40 hexadecimal digits.")


class ValueOutOfRange(LedgerError):
    code = "value_out_of_range"

    def __init__(self, function: str, reason: str) -> None:
        super().__init__(
            f"A value is not of the type that {function} takes: {reason}", "Give an id or amount in range."
        )


class SignatureMalformed(LedgerError):
    code = "signature_malformed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The signature cannot be read: {reason}.", "Sign again and pass all 65 bytes (r, s, v).")


class RecordMalformed(LedgerError):
    code = "record_malformed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"This is not a usage record: {reason}.", "Fetch the log again from the gateway.")


class EventMalformed(LedgerError):
    code = "event_malformed"

    def __init__(self, event: str, reason: str) -> None:
        super().__init__(f"The event {event} cannot be read: {reason}.", "Check that code and deployment agree.")


class RecordOutOfOrder(LedgerError):
    code = "record_out_of_order"

    def __init__(self, expected: int, given: int) -> None:
        super().__init__(
            f"The log's next record has sequence number {expected}, not {given}.",
            "Append each record once, in order.",
        )


def without_credentials(url: str) -> str:
    """The URL without user, password, query and path, any of which may carry an access key."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, host + port, "", "", ""))
