"""Tells MSMF of what stands in MMF's view and changed by nobody's call: reservations made or over, models published.

The keeper calls it at each look. It compares levels: what stands is told under a key of its own, so that telling it
again, after a restart too, tells nothing anew.
"""

from collections.abc import Collection, Mapping
from hashlib import sha256

import sqlalchemy as sa

from orchestrator.instances.door import Tell
from orchestrator.instances.transact import read
from orchestrator.mmf.workflows import MmfDeps
from orchestrator.models.manifests import Manifest
from orchestrator.notices import NoticeKind
from orchestrator.requirements import Notice
from orchestrator.resources.reservations import Reservation, reservations


class Herald:
    """Knows what it told at the last look, while the program runs."""

    def __init__(self, deps: MmfDeps, tell: Tell) -> None:
        self._deps = deps
        self._tell = tell
        self._told: frozenset[str] = frozenset()
        self._standing: dict[str, Reservation] = {}

    def look(self) -> None:
        """Tell what is new since the last look."""
        standing = {one.reservation_id: one for one in read(self._deps.reading, _standing)}
        news = {_name(one): _reservation(NoticeKind.RESERVATION_MADE, one) for one in standing.values()}
        gone = [one for name, one in self._standing.items() if name not in standing]
        news |= {f"{_name(one)}:ended": _reservation(NoticeKind.RESERVATION_ENDED, one) for one in gone}
        news |= {f"model:{one.spec_hash.hex()}": _published(one) for one in own_models(self._deps.models)}
        for key, notice in news.items():
            if key not in self._told:
                self._tell(key, [notice])
        self._told, self._standing = frozenset(news), standing


def own_models(models: Mapping[str, Manifest]) -> Collection[Manifest]:
    """Those that providers published here, not the ones that are shipped."""
    return [one for one in models.values() if one.own is not None]


def _standing(rows: sa.Connection) -> list[Reservation]:
    return [one for one in reservations(rows) if not one.ended]


def _name(one: Reservation) -> str:
    """A reservation that was given other amounts or another end is told anew. Hashed, to be short."""
    told = f"{one.reservation_id}:{one.until}:{sorted(one.amounts.amounts().items())}"
    return f"reservation:{sha256(told.encode()).hexdigest()}"


def _reservation(kind: NoticeKind, one: Reservation) -> Notice:
    detail = {"node": one.node_id, "cluster": one.cluster, "amounts": one.amounts.amounts(), "until": one.until}
    return Notice(kind=kind, subject=one.reservation_id, detail=detail)


def _published(one: Manifest) -> Notice:
    detail = {"title": one.title, "kind": one.kind, "specHash": one.spec_hash.hex()}
    return Notice(kind=NoticeKind.MODEL_PUBLISHED, subject=one.name, detail=detail)
