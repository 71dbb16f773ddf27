"""What a check found, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """`warn` is no fault: something that is left out works without it."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One line of `s4m doctor`; `remedy` is empty where nothing is to be mended."""

    check: str
    state: State
    what: str
    remedy: str = ""

    def told(self) -> dict[str, str]:
        return {"check": self.check, "state": self.state.value, "what": self.what, "remedy": self.remedy}


def ok(check: str, what: str) -> Finding:
    return Finding(check, State.OK, what)


def warn(check: str, what: str, remedy: str) -> Finding:
    return Finding(check, State.WARN, what, remedy)


def bad(check: str, what: str, remedy: str) -> Finding:
    return Finding(check, State.BAD, what, remedy)
