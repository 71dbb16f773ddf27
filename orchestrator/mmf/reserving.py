"""MMF's door for the global controller: make, show and end reservations, each change once and in the pool's turn."""

from collections.abc import Callable
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Path
from pydantic import Field

from orchestrator.instances import take_turn
from orchestrator.instances.door import CHANGING, Door, IdempotencyKey
from orchestrator.instances.transact import durable, read, transact
from orchestrator.mmf.workflows import MmfDeps
from orchestrator.requirements import ServiceType, Shape
from orchestrator.resources import Resources
from orchestrator.resources.reservations import (
    BadReservation,
    UnknownReservation,
    expire,
    release_reservation,
    reservations,
    reserve,
)
from trust.openapi import problems


class ReservationRequest(Shape):
    """Room to be kept for a cluster: a new reservation, or new amounts and a new end of the one with this id."""

    reservation: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$")
    node: str = Field(min_length=1, max_length=200)
    """id of a site or link"""
    cluster: ServiceType
    amounts: Resources
    until: int = Field(ge=0, lt=1 << 53)
    """UTC seconds"""


def reservation_routes(door: Door, deps: MmfDeps) -> None:
    """Add the routes and register their workflows; before the engine is launched."""

    def once(name: str, change: Callable[..., dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
        return durable(name, lambda what: transact(deps.datasource, change, deps, what))

    making, ending = once("mmf.reserve", _reserve), once("mmf.release_reservation", _release)

    @door.app.post("/reservations", responses=problems(*CHANGING, BadReservation))
    async def make(request: ReservationRequest, key: IdempotencyKey) -> dict[str, Any]:
        return await door.once(key, making, request.to_json())

    @door.app.delete("/reservations/{reservationId}", responses=problems(*CHANGING, UnknownReservation))
    async def end(reservation_id: Annotated[str, Path(alias="reservationId")], key: IdempotencyKey) -> dict[str, Any]:
        return await door.once(key, ending, reservation_id)

    @door.app.get("/reservations")
    async def show() -> dict[str, Any]:
        return await door.run(read, deps.reading, _all)


def _reserve(rows: sa.Connection, deps: MmfDeps, document: dict[str, Any]) -> dict[str, Any]:
    wanted = ReservationRequest.model_validate(document)
    take_turn(rows, "pool")
    now = deps.clock()
    expire(rows, now)
    made = reserve(rows, wanted.reservation, wanted.node, wanted.cluster, wanted.amounts, wanted.until, now)
    return made.to_json()


def _release(rows: sa.Connection, deps: MmfDeps, reservation_id: str) -> dict[str, Any]:
    take_turn(rows, "pool")
    ended = release_reservation(rows, reservation_id)
    expire(rows, deps.clock())
    return {**ended.to_json(), "ended": True}


def _all(rows: sa.Connection) -> dict[str, Any]:
    return {"reservations": [one.to_json() for one in reservations(rows)]}
