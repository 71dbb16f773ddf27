"""How MMF parts from instances whose users have moved on: no sooner than the gateway has followed and is done there.

Used by the workflows that move what runs (supply, repacks) or give it up (updates). The gateway hears of it by its
routes, which are put right once a second; a call that began before goes on over the old instance until it is answered.
"""

import time
from collections.abc import Collection
from typing import Any, Protocol

import structlog

from orchestrator.errors import OrchestratorError

LONGEST_S = 35.0
"""The longest wait, seconds: more than one model's time at the gateway (30), less than MMF's callers wait (60)."""
PAUSE_S = 0.1
log = structlog.get_logger("mmf")


class Gateway(Protocol):
    """The gateway, as MMF sees it."""

    def get(self, path: str, params: dict[str, str]) -> Any: ...


class Parting:
    """Waits for the last call over an instance's socket."""

    def __init__(self, gateway: Gateway, longest_s: float = LONGEST_S) -> None:
        self._gateway = gateway
        self._longest_s = longest_s

    def __call__(self, sockets: Collection[str]) -> None:
        """Return when no route leads over these sockets and no call is under way there, or after the longest wait."""
        until = time.monotonic() + self._longest_s
        busy = set(sockets)
        while busy := {socket for socket in busy if self._is_busy(socket)}:
            if time.monotonic() >= until:
                log.warning("parting.late", sockets=sorted(busy))
                return
            time.sleep(PAUSE_S)

    def _is_busy(self, socket: str) -> bool:
        """A gateway that does not answer may come back with its old routes."""
        try:
            answer = self._gateway.get("/sockets", {"path": socket})
        except OrchestratorError:
            return True
        return bool(answer["routed"] or answer["underWay"])


def at_once(_sockets: Collection[str]) -> None:
    """Where no gateway leads anybody to the models."""
