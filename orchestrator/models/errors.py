"""What can go wrong inside a model or its manifest.

ModelError
├── BadManifest        a shipped or installed manifest does not have the shape it must have
├── ProgramRefused     a provider's program is missing, too large, changed, or leads out of its folder
├── UnknownModel       no manifest or service of that name or spec hash is installed
└── CallRefused        a call that the model cannot serve; becomes a problem+json answer
    ├── BadCall            400, the caller's parameters are wrong
    ├── NotThere           404, an unknown call or key
    ├── TooLarge           413, the body passes the bound
    └── OverGrant          409, the resources granted do not suffice
"""

from typing import ClassVar


class ModelError(Exception):
    """Root of this package's errors; `code` is stable, the text says what, why and what to do."""

    code: ClassVar[str] = "model_error"


class BadManifest(ModelError):
    code = "bad_manifest"


class ProgramRefused(ModelError):
    """`reason` is stable: program_missing, program_hash, program_link, program_too_large or program_command."""

    code = "program_refused"

    def __init__(self, reason: str, cause: str, remedy: str) -> None:
        self.reason = reason
        self.cause = cause
        self.remedy = remedy
        super().__init__(f"{reason}: {cause}; {remedy}")


class UnknownModel(ModelError):
    code = "unknown_model"


class CallRefused(ModelError):
    code = "call_refused"
    status: ClassVar[int] = 500


class BadCall(CallRefused):
    code = "bad_call"
    status = 400


class NotThere(CallRefused):
    code = "not_there"
    status = 404


class TooLarge(CallRefused):
    code = "too_large"
    status = 413


class OverGrant(CallRefused):
    code = "over_grant"
    status = 409
