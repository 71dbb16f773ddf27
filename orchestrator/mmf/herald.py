"""Tells MSMF of what stands in MMF's view and changed by nobody's call: reservations made or over, models published.

The keeper calls it at each look. It compares levels: what stands is told under a key of its own, so that telling it
again, after a restart too, tells nothing anew.
"""

from collections.abc import Collection, Mapping
from hashlib import sha256

import sqlalchemy as sa

from orchestrator.errors import TryLater
from orchestrator.instances.transact import read
from orchestrator.mmf.workflows import MmfDeps
from orchestrator.models.manifests import Manifest
from orchestrator.notices import NoticeKind
from orchestrator.requirements import Notice
from orchestrator.resources.reservations import Reservation, reservations


class Herald:
    """Knows what it told, while the program runs."""

    def __init__(self, deps: MmfDeps) -> None:
        self._deps = deps
        self._told: set[str] = set()
        self._standing: dict[str, Reservation] = {}

    def look(self) -> None:
        """Tell what is new since the last look. While MSMF does not answer it waits for the next one."""
        standing = {one.reservation_id: one for one in read(self._deps.reading, _standing)}
        news = {_name(one): _reservation(NoticeKind.RESERVATION_MADE, one) for one in standing.values()}
        gone = [one for name, one in self._standing.items() if name not in standing]
        news |= {f"{_name(one)}:ended": _reservation(NoticeKind.RESERVATION_ENDED, one) for one in gone}
        news |= {f"model:{one.spec_hash.hex()}": _published(one) for one in own_models(self._deps.models)}
        self._tell({key: notice for key, notice in news.items() if key not in self._told})
        self._standing = {**{one.reservation_id: one for one in gone if not self._knows(one)}, **standing}

    def _knows(self, ended: Reservation) -> bool:
        return f"{_name(ended)}:ended" in self._told

    def _tell(self, news: Mapping[str, Notice]) -> None:
        for key, notice in news.items():
            try:
                self._deps.msmf.post("/notices", {"notices": [notice.to_json()]}, key)
            except TryLater:
                return
            self._told.add(key)


def own_models(models: Mapping[str, Manifest]) -> Collection[Manifest]:
    """Those that providers published here, not the ones that are shipped."""
    return [one for one in models.values() if one.own is not None]


def _standing(rows: sa.Connection) -> list[Reservation]:
    return [one for one in reservations(rows) if not one.ended]


def _name(one: Reservation) -> str:
    """A reservation that was given other amounts or another end is told anew. Hashed: keys of calls are short."""
    told = f"{one.reservation_id}:{one.until}:{sorted(one.amounts.amounts().items())}"
    return f"reservation:{sha256(told.encode()).hexdigest()}"


def _reservation(kind: NoticeKind, one: Reservation) -> Notice:
    detail = {"node": one.node_id, "cluster": one.cluster, "amounts": one.amounts.amounts(), "until": one.until}
    return Notice(kind=kind, subject=one.reservation_id, detail=detail)


def _published(one: Manifest) -> Notice:
    detail = {"title": one.title, "kind": one.kind, "specHash": one.spec_hash.hex()}
    return Notice(kind=NoticeKind.MODEL_PUBLISHED, subject=one.name, detail=detail)
