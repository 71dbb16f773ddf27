"""What can go wrong when instances are started, watched and stopped.

RuntimeFault
├── SandboxUnavailable   this host cannot isolate programs (bubblewrap_missing | user_namespaces_forbidden | …)
├── InstanceFailed       the program ended or stayed silent while it was being started
├── ProgramUnfit         a provider's own program is missing, changed, or cannot be started by its command
├── InstanceConflict     an instance of that id runs another program
├── UnknownDomain        a site is of a domain that no runtime serves
└── BadInstanceId        an id that cannot name a directory
"""

from typing import ClassVar


class RuntimeFault(Exception):
    """Root of this package's errors; `code` is stable, the text says what, why and what to do."""

    code: ClassVar[str] = "runtime_fault"


class SandboxUnavailable(RuntimeFault):
    """Models are never run unsandboxed: without a sandbox nothing starts. `cause` and `remedy` are for people."""

    code = "sandbox_unavailable"

    def __init__(self, cause: str, remedy: str, detail: str = "") -> None:
        self.cause = cause
        self.remedy = remedy
        self.detail = detail
        super().__init__(f"cannot sandbox models: {cause}{f' ({detail})' if detail else ''}; {remedy}")


class InstanceFailed(RuntimeFault):
    code = "instance_failed"


class ProgramUnfit(RuntimeFault):
    code = "program_refused"


class InstanceConflict(RuntimeFault):
    code = "instance_conflict"


class UnknownDomain(RuntimeFault):
    code = "unknown_domain"


class BadInstanceId(RuntimeFault):
    code = "bad_instance_id"
