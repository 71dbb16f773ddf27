"""Errors of the command line and of the supervisor, and the exit code of every named error in the house.

CliError
├── BadInput            the command line says something impossible
│   └── ManifestInvalid a manifest or service document has faults
├── NotConfirmed        asked before spending, and the answer was no
├── NoTerminal          something must be asked, and there is nobody to ask
├── ChecksFailed        `s4m doctor` found something that does not work
├── NothingDeployed  NothingRunning
├── FileUnusable        a file cannot be read or written
├── InternalFault       an error that nobody foresaw: a fault of this program
├── AuditFailed         the audit has findings
└── HouseError          raised by `supervisor.py`
    ├── ServiceNotReady a service did not become healthy in time
    └── HouseRunning    another `s4m up` holds this home
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """Exit codes of `s4m`; scripts may rely on them."""

    DELIVERED = 0
    FAILED = 1
    BAD_INPUT = 2
    REFUSED = 3
    UNPAID = 4
    PENDING = 5
    DOWN = 6
    FINDINGS = 7
    MISSING = 8
    READER_LEFT = 141

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    Exit.DELIVERED: "What was asked for is done: bought and running, used, settled, shown.",
    Exit.FAILED: "A fault of a program, or stopped by Ctrl-C.",
    Exit.BAD_INPUT: "The command line, a file or a setting says something impossible. Nothing was changed.",
    Exit.REFUSED: "Somebody said no: you (no --yes, no terminal), a contract, a server, a signer.",
    Exit.UNPAID: "Money is missing: credits, gas, or a voucher for what was used.",
    Exit.PENDING: "Sent or ordered, not there yet. Look again, wait, speed it up; do not send it twice.",
    Exit.DOWN: "The node, a signer or a program of the house does not answer.",
    Exit.FINDINGS: "An audit or `s4m doctor` found something wrong.",
    Exit.MISSING: "Something that the command needs is not installed, deployed or readable here.",
    Exit.READER_LEFT: "Who read the output closed it (`s4m … | head`), as with any program that SIGPIPE ends.",
}


class CliError(Exception):
    """Root: what happened and why in the message, what to do in `remedy`."""

    code: ClassVar[str] = "cli_error"
    remedy: str = ""

    def __init__(self, why: str, remedy: str = "") -> None:
        super().__init__(why)
        self.remedy = remedy or type(self).remedy


class BadInput(CliError):
    code = "bad_input"


class ManifestInvalid(BadInput):
    code = "bad_manifest"
    remedy = "Correct the findings, `s4m models validate` names each; docs/how-to/add-a-model.md says what is due."


class NotConfirmed(CliError):
    code = "not_confirmed"
    remedy = "Answer yes, or pass --yes."


class NoTerminal(CliError):
    """`what` would have to be asked."""

    code = "no_terminal"
    remedy = "Give it by a file (--password-file and its like; - reads standard input) or by S4M_WALLET_PASSWORD."

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: nobody can be asked without a terminal.")


class ChecksFailed(CliError):
    code = "checks_failed"
    remedy = "Mend them in this order; each line says how."


class NothingDeployed(CliError):
    code = "nothing_deployed"
    remedy = "Run `s4m up`, or `s4m deploy` against your node."


class NothingRunning(CliError):
    code = "nothing_running"
    remedy = "Run `s4m up` (or `s4m devnet start`) with the same --home."


class AuditFailed(CliError):
    code = "audit_failed"
    remedy = "Read the findings: each names its subscription and what differs."


class FileUnusable(CliError):
    code = "file_unusable"
    remedy = "Check the path, its permissions and the space left."


class InternalFault(CliError):
    """`trace` names the file that holds the traceback, empty where none could be written."""

    code = "internal_error"

    def __init__(self, error: Exception, trace: str) -> None:
        where = f"The trace stands in {trace}; report" if trace else "Report"
        super().__init__(f"{type(error).__name__}: {error}", f"{where} it: this is a fault of s4m, not yours.")


class HouseError(CliError):
    code = "house_error"


class ServiceNotReady(HouseError):
    code = "service_not_ready"
    remedy = "Read its log under logs/ in the home directory."


class HouseRunning(HouseError):
    code = "house_running"
    remedy = "Stop the other `s4m up` first, or choose another --home."


_UNPAID = ("insufficient_funds", "insufficient_balance", "gas_unfunded", "voucher_required", "cap_reached")

_EXITS: dict[str, Exit] = {
    **dict.fromkeys(
        (
            "bad_input", "bad_manifest", "malformed_input", "malformed_document", "malformed_log", "order_differs",
            "unknown_model",
            "unknown_plan", "unknown_quote", "unknown_order", "unknown_subscription", "unknown_asset", "unknown_wallet",
            "unknown_session", "unknown_document", "wallet_exists", "wrong_chain", "document_missing", "terms_invalid",
            "malformed_request", "value_out_of_range", "address_malformed", "signature_malformed", "file_unusable",
            "mnemonic_invalid", "no_terminal", "key_file_exists", "key_reused", "wallet_error",
        ),
        Exit.BAD_INPUT,
    ),
    **dict.fromkeys(
        (
            "not_confirmed", "service_refused", "quote_differs", "endpoint_differs", "bad_signature", "quote_expired",
            "plan_retired", "wrong_password", "reverted", "house_running", "not_entitled", "chain_replaced",
            "purchase_differs", "answer_malformed", "meter_dispute", "watch_only", "signer_refused", "signer_differs",
            "transaction_cancelled", "nothing_to_replace", "rehearsal_unavailable",
        ),
        Exit.REFUSED,
    ),
    **dict.fromkeys(_UNPAID, Exit.UNPAID),
    **dict.fromkeys(("still_pending", "transaction_pending"), Exit.PENDING),
    **dict.fromkeys(
        (
            "node_down", "node_error", "signer_down", "marketplace_down", "orchestrator_down", "gateway_down",
            "nothing_running",
            "service_not_ready",
        ),
        Exit.DOWN,
    ),
    **dict.fromkeys(("audit_failed", "checks_failed"), Exit.FINDINGS),
    **dict.fromkeys(
        (
            "anvil_missing", "artifact_missing", "sandbox_unavailable", "port_taken", "nothing_deployed",
            "deployment_missing", "deployment_malformed", "contract_absent", "key_file_missing", "key_file_exposed",
            "key_file_malformed",
        ),
        Exit.MISSING,
    ),
}  # fmt: skip


def codes_of(exit_code: Exit) -> list[str]:
    """The error codes that end with it; others go by the kind of answer (`exit_of`)."""
    return sorted(code for code, found in _EXITS.items() if found is exit_code)


def code_of(error: BaseException) -> str:
    """The stable code of an error; the server's own where a problem+json answer carried one."""
    return str(getattr(error, "server_code", "") or getattr(error, "code", "") or "internal_error")


def cause_and_remedy(error: BaseException) -> tuple[str, str]:
    """What happened, and what to do (empty where the error names nothing); many messages end with their remedy."""
    remedy = str(getattr(error, "remedy", "") or "")
    return str(error).removesuffix(remedy).rstrip(" ;") or type(error).__name__, remedy


_EXIT_OF_STATUS = {400: Exit.BAD_INPUT, 402: Exit.UNPAID, 404: Exit.BAD_INPUT, 503: Exit.DOWN, 504: Exit.PENDING}


def exit_of(error: BaseException) -> Exit:
    """By code; what has none of its own here goes by the kind of answer: a contract or a server refused."""
    known = _EXITS.get(code_of(error))
    if known is not None:
        return known
    status = int(getattr(error, "http_status", 0))
    reverted = any(kind.__name__ == "Reverted" for kind in type(error).__mro__)
    otherwise = Exit.REFUSED if reverted or 400 <= status < 500 else Exit.FAILED
    return _EXIT_OF_STATUS.get(status, otherwise)
