"""What the global controller makes of what local controllers report: to which scale each rendering server should go.

Called by `orchestrator.supervise_global`. Pure. A need is what the floors of a server's users were measured to need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from orchestrator.controllers.local import Policy

HEADROOM = Policy().headroom
"""K to have for each K that the floors need: what a local controller holds, too"""


@dataclass(frozen=True, slots=True)
class Need:
    """What was reported of one server, in K."""

    newest_k: int
    most_k: int
    """since the last design"""

    def heard(self, needed_k: int) -> Need:
        """After another report."""
        return Need(needed_k, max(self.most_k, needed_k))

    def designed(self) -> Need:
        """After a design: what was needed before counts no more."""
        return Need(self.newest_k, self.newest_k)


@dataclass(frozen=True, slots=True)
class Server:
    """A rendering server as the rows have it."""

    server: str
    model: str
    cluster: str
    scale: int
    least_scale: int
    """below which it is not shrunk"""
    supply_k: int

    def scale_for(self, needed_k: int) -> int:
        """The scale that gives what is needed, with headroom."""
        return max(ceil(needed_k * HEADROOM * self.scale / max(self.supply_k, 1)), 1)


def scales(servers: Sequence[Server], needs: Mapping[str, Need]) -> dict[str, int]:
    """Server → the scale that it is to be held at, of those for which that is another; unreported ones stay."""
    wanted = {one.server: one.scale_for(needs[one.server].most_k) for one in servers if one.server in needs}
    return {
        one.server: wanted[one.server]
        for one in servers
        if one.server in wanted and (wanted[one.server] > one.scale or wanted[one.server] < one.least_scale)
    }
