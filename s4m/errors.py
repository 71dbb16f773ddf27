"""Errors of the command line and of the supervisor, and the exit code of every named error in the house.

CliError
├── BadInput            the command line says something impossible
│   └── ManifestInvalid a manifest or service document has faults
├── NotConfirmed        asked before spending, and the answer was no
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

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    REFUSED = 3
    UNPAID = 4
    PENDING = 5
    DOWN = 6
    FINDINGS = 7
    MISSING = 8


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
        ),
        Exit.BAD_INPUT,
    ),
    **dict.fromkeys(
        (
            "not_confirmed", "service_refused", "quote_differs", "endpoint_differs", "bad_signature", "quote_expired",
            "plan_retired", "wrong_password", "reverted", "house_running", "not_entitled", "chain_replaced",
            "purchase_differs", "answer_malformed", "meter_dispute",
        ),
        Exit.REFUSED,
    ),
    **dict.fromkeys(_UNPAID, Exit.UNPAID),
    **dict.fromkeys(("still_pending", "transaction_pending"), Exit.PENDING),
    **dict.fromkeys(
        (
            "node_down", "marketplace_down", "orchestrator_down", "gateway_down", "nothing_running",
            "service_not_ready",
        ),
        Exit.DOWN,
    ),
    "audit_failed": Exit.FINDINGS,
    **dict.fromkeys(
        ("anvil_missing", "sandbox_unavailable", "port_taken", "nothing_deployed", "deployment_missing"), Exit.MISSING
    ),
}  # fmt: skip


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
