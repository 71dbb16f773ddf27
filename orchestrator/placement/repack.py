"""Which running instances to move so that what was refused for want of room would get in. Pure; used by MMF.

The pool is given as values, the answer is moves. The running instances and the refused demands form one batch problem
(orchestrator.placement.problem): each instance is one of its requests that must stay served and may be served at
another site at MIGRATION_COST, each demand one that earns its worth where all of its roles find room. One mixed-integer
program answers it for up to AT_ONCE movable instances. Above, a large-neighbourhood search: everything stays but some
instances around one demand, that program places these anew, and what is better is kept (P. Shaw, "Using constraint
programming and local search methods to solve vehicle routing problems", 1998). The search of batches trades in shared
instances, of which there are none here: from where everything stands it finds no first move. Moves are put in an order
in which every new instance finds room while the old one still runs. Bound and gap are told in either case.

A demand is counted as new instances of all of its roles: what it could share instead only makes it easier to admit.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from random import Random

from orchestrator.placement.problem import Model, Problem, Request, Role, Site, Solution
from orchestrator.resources import RESOURCES, Isolation, ResourceVector

MIGRATION_COST = 500
"""Points of each instance that is moved: what half a core earns its provider in use. The instance runs twice for some
seconds, and its users find what it kept in memory empty, so a move must bring clearly more than it disturbs."""

AT_ONCE = 48
"""Instances that one mixed-integer program may move: with 16 demands on ten sites it takes about a second."""
IDLE = 24
"""Neighbourhoods in a row without a better answer that end the search."""

Crossing = Mapping[str, ResourceVector]
"""link → what is taken of it"""


@dataclass(frozen=True, slots=True)
class Resident:
    """A running instance: where it stands, what it holds there, and where else it could serve its users."""

    instance_id: str
    site: str
    holds: ResourceVector
    ways: Mapping[str, Crossing]
    """site that is near enough to all of its users → what their traffic takes on the ways to it; its own included"""
    isolation: Isolation = Isolation.SHARED
    supply: bool = False
    """it is a part of the pool"""
    settled: bool = True
    """it runs, so do all of its shares, and nothing else moves it"""
    reserved: bool = False
    """it draws on a reservation: what it would leave stays reserved"""

    @property
    def pinned(self) -> str:
        """Why it must not be moved; empty where it may."""
        if self.supply:
            return "it supplies the pool"
        if self.isolation is Isolation.DEDICATED:
            return "it is dedicated: nobody else's request may disturb it"
        if self.holds.storage_mib:
            return "it stores: what it stored would be lost"
        if self.reserved:
            return "it draws on a reservation"
        return "" if self.settled else "it is being instantiated, changed or moved"


@dataclass(frozen=True, slots=True)
class Part:
    """One role of a demand, as an instance of its own."""

    takes: ResourceVector
    ways: Mapping[str, Crossing]
    """site within the role's latency → what its traffic takes on the way there"""


@dataclass(frozen=True, slots=True)
class Demand:
    """A request that was refused for want of room and may come again; `worth` in points (placement.worth)."""

    name: str
    worth: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class PoolState:
    """One consistent view: what is free of every site and link, what runs, what was refused."""

    sites: tuple[str, ...]
    free: Mapping[str, ResourceVector]
    """site or link → what is neither allocated nor reserved nor being withdrawn"""
    residents: tuple[Resident, ...]
    demands: tuple[Demand, ...]


@dataclass(frozen=True, slots=True)
class Migration:
    """A running instance and the site that it is to move to."""

    instance_id: str
    origin: str
    target: str


Wave = tuple[Migration, ...]
"""Moves that all fit beside everything that runs, at once."""


@dataclass(frozen=True, slots=True)
class Repack:
    """The decision. Without waves everything stays."""

    before: int
    """points: what the demands are worth that get in as everything stands"""
    after: int
    """points: what those are worth that get in once all waves are done, less the migration cost"""
    bound: float
    """points: no moves can make it more"""
    waves: tuple[Wave, ...] = ()
    admits: tuple[str, ...] = ()
    """the demands that get in"""

    @property
    def gap(self) -> float:
        """How far `after` may be from the best there is, as a share of the bound; 0 is proved best."""
        return max(0.0, 1 - self.after / self.bound) if self.bound > 0 else 0.0


def repack(pool: PoolState, seconds: float, *, at_once: int = AT_ONCE, seed: int = 0) -> Repack:
    """The moves that bring more than they cost, within `seconds` of wall-clock time; none where there are no such.

    At most `at_once` instances are placed anew by one program: more of them are searched by neighbourhoods of that
    size, drawn by `seed`.
    """
    reachable = [one for one in pool.demands if all(_within(pool.free, part.ways) for part in one.parts)]
    demands = tuple(sorted(reachable, key=lambda one: (-one.worth, one.name)))
    if not demands:
        return Repack(0, 0, 0.0)
    movable = tuple(one for one in pool.residents if not one.pinned)
    still = _attempt(replace(pool, residents=(), demands=demands), seconds / 4)
    whole = replace(pool, residents=movable, demands=demands)
    if len(movable) <= at_once:
        return _at_once(whole, still.after, seconds * 3 / 4)
    return _by_neighbourhoods(whole, still.after, seconds * 3 / 4, at_once, Random(seed))  # noqa: S311


def _at_once(pool: PoolState, before: int, seconds: float) -> Repack:
    """One program for all; where its moves cannot be carried out, those for one demand, by falling worth."""
    whole = _attempt(pool, seconds * 2 / 3)
    bound = max(whole.bound, float(before))
    if whole.after > before:
        each = (_attempt(replace(pool, demands=(one,)), seconds / 3 / len(pool.demands)) for one in pool.demands)
        for found in chain([whole], each):
            if found.waves and found.after > before:
                return replace(found, before=before, bound=bound)
    return Repack(before, before, bound)


def _by_neighbourhoods(pool: PoolState, before: int, seconds: float, at_once: int, draw: Random) -> Repack:
    """Neighbourhood after neighbourhood, each from where the best moves so far lead; nothing moves twice."""
    ends, idle, spent = time.monotonic() + seconds, 0, 0
    best = Repack(before, before, max(float(before), _bound(pool, seconds / 3)))
    while idle < IDLE and pool.residents and (left := ends - time.monotonic()) > 0:
        near = _neighbourhood(pool, best.admits, at_once, draw)
        found = _attempt(replace(pool, residents=near), min(left, seconds / 4))
        if not found.waves or found.after - spent <= best.after:
            idle += 1
            continue
        idle = 0
        best = replace(best, after=found.after - spent, waves=best.waves + found.waves, admits=found.admits)
        spent += MIGRATION_COST * sum(map(len, found.waves))
        pool = _moved(pool, found.waves)
    return best


def _neighbourhood(pool: PoolState, admits: Sequence[str], at_once: int, draw: Random) -> tuple[Resident, ...]:
    """Instances that stand where a demand not yet admitted would, half of them the largest there, and some others."""
    waiting = [one for one in pool.demands if one.name not in admits] or list(pool.demands)
    wanted = draw.choices(waiting, [one.worth for one in waiting])[0]
    sites = {site for part in wanted.parts for site in part.ways}
    there = [one for one in pool.residents if one.site in sites]
    largest = sorted(there, key=lambda one: (-max(_amounts(one.holds)), one.instance_id))[: at_once // 2]
    others = [one for one in pool.residents if one not in largest]
    return tuple(largest + draw.sample(others, min(len(others), at_once - len(largest))))


def _moved(pool: PoolState, waves: Sequence[Wave]) -> PoolState:
    """The pool once these waves are done, without those that they moved."""
    residents = {one.instance_id: one for one in pool.residents}
    room = dict(pool.free)
    for wave in waves:
        for move in wave:
            one = residents[move.instance_id]
            _take(room, one.holds, move.target, one.ways)
        _leave(room, [residents[move.instance_id] for move in wave])
    gone = {move.instance_id for wave in waves for move in wave}
    return replace(pool, free=room, residents=tuple(one for one in pool.residents if one.instance_id not in gone))


def _bound(pool: PoolState, seconds: float) -> float:
    """Points that no moves can bring more than: the batch problem's own bound, from its relaxation."""
    from orchestrator.placement.background import search

    keep = _keep(pool)
    found = search(_problem(pool, keep), seconds=seconds, iterations=0)
    return min(found.bound - keep * len(pool.residents), float(keep - 1))


def _keep(pool: PoolState) -> int:
    """What the batch problem pays for a resident: more than for all demands together, so that none is given up."""
    return sum(demand.worth for demand in pool.demands) + 1


def _attempt(pool: PoolState, seconds: float) -> Repack:
    """What one program makes of these residents and demands; without waves where links or order forbid its moves."""
    from orchestrator.placement.background import solve_exactly

    keep = _keep(pool)
    found = solve_exactly(_problem(pool, keep), seconds=seconds)
    offset = keep * len(pool.residents)
    waves, admits = _waves(pool, _migrations(pool, found)), _admitted(pool, found)
    if not _get_in(pool, waves, admits):
        waves = ()
    bound = min(found.bound - offset, float(keep - 1))
    return Repack(0, found.profit - offset, bound, waves, tuple(name for name, _ in admits))


def fits(pool: PoolState, wave: Wave) -> bool:
    """Whether a wave may still be carried out: nothing of it is pinned or elsewhere now, and all of it finds room."""
    residents = {one.instance_id: one for one in pool.residents}
    room = dict(pool.free)
    return all(
        (one := residents.get(move.instance_id)) is not None
        and not one.pinned
        and one.site == move.origin
        and _take(room, one.holds, move.target, one.ways)
        for move in wave
    )


def _problem(pool: PoolState, keep: int) -> Problem:
    """The batch problem; it pays `keep` for each resident.

    Every request is of degree 2, as it takes an instance of its own, and the one model of each site stands for room.
    """
    number = {site: index for index, site in enumerate(pool.sites)}
    rooms = {site: pool.free[site].most(ResourceVector()) for site in pool.sites}
    for one in pool.residents:
        rooms[one.site] += one.holds
    capacity = {site: _amounts(room) for site, room in rooms.items()}
    none = (0,) * len(RESOURCES)
    residents = [
        replace(
            _request(keep, [(one.holds, {one.site, *_within(pool.free, one.ways)})], number),
            running=(number[one.site],),
        )
        for one in pool.residents
    ]
    demands = [
        _request(one.worth, [(part.takes, _within(pool.free, part.ways)) for part in one.parts], number)
        for one in pool.demands
    ]
    return Problem(
        resources=RESOURCES,
        sites=tuple(Site(capacity[site]) for site in pool.sites),
        models=tuple(Model(0, number[site], capacity[site], none, 0, 0, 0, (False,)) for site in pool.sites),
        requests=(*residents, *demands),
        migration_cost=MIGRATION_COST,
    )


def _within(free: Mapping[str, ResourceVector], ways: Mapping[str, Crossing]) -> set[str]:
    """The sites to which the links have room as they are."""
    return {site for site, way in ways.items() if all(taken.fits(free[link]) for link, taken in way.items())}


def _request(revenue: int, parts: Iterable[tuple[ResourceVector, Iterable[str]]], number: Mapping[str, int]) -> Request:
    roles = tuple(Role(0, _amounts(takes), tuple(sorted(number[site] for site in sites))) for takes, sites in parts)
    return Request(cluster=0, isolation=2, revenue=revenue, max_latency_tenth_ms=0, roles=roles)


def _amounts(vector: ResourceVector) -> tuple[int, ...]:
    return tuple(vector.all_amounts().values())


def _migrations(pool: PoolState, found: Solution) -> list[Migration]:
    """The residents that the answer serves elsewhere; they are the problem's first requests."""
    chosen = zip(pool.residents, found.choices, strict=False)
    places = [(one, pool.sites[choice[0]]) for one, choice in chosen if choice is not None]
    return [Migration(one.instance_id, one.site, site) for one, site in places if site != one.site]


def _admitted(pool: PoolState, found: Solution) -> list[tuple[str, tuple[str, ...]]]:
    """The demands that the answer serves, each with the sites of its parts."""
    choices = found.choices[len(pool.residents) :]
    pairs = zip(pool.demands, choices, strict=True)
    return [(one.name, tuple(pool.sites[site] for site in choice)) for one, choice in pairs if choice is not None]


def _waves(pool: PoolState, moves: Sequence[Migration]) -> tuple[Wave, ...]:
    """The moves in an order that needs no room twice; nothing where there is no such order."""
    residents = {one.instance_id: one for one in pool.residents}
    room, left, waves = dict(pool.free), list(moves), []
    while left:
        wave: list[Migration] = []
        for move in left:
            one = residents[move.instance_id]
            if _take(room, one.holds, move.target, one.ways):
                wave.append(move)
        if not wave:
            return ()
        _leave(room, [residents[move.instance_id] for move in wave])
        left = [move for move in left if move not in wave]
        waves.append(tuple(wave))
    return tuple(waves)


def _get_in(pool: PoolState, waves: Sequence[Wave], admits: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Whether these demands find room on sites and links once all waves are done."""
    demands = {one.name: one for one in pool.demands}
    room = dict(_moved(pool, waves).free)
    return all(
        _take(room, part.takes, site, part.ways)
        for name, sites in admits
        for part, site in zip(demands[name].parts, sites, strict=True)
    )


def _take(room: dict[str, ResourceVector], holds: ResourceVector, site: str, ways: Mapping[str, Crossing]) -> bool:
    """Take what an instance holds at a site and on the ways there; False, and nothing taken, where it does not fit."""
    if site not in ways or not holds.fits(room[site]):
        return False
    if any(not taken.fits(room[link]) for link, taken in ways[site].items()):
        return False
    room[site] -= holds
    for link, taken in ways[site].items():
        room[link] -= taken
    return True


def _leave(room: dict[str, ResourceVector], gone: Iterable[Resident]) -> None:
    """What these held where they stood is free."""
    for one in gone:
        room[one.site] += one.holds
        for link, taken in one.ways.get(one.site, {}).items():
            room[link] += taken
