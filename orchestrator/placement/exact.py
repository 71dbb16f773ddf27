"""The decision for one share with its proof: objective, bound and gap; better than greedy where greedy was not best.

`decide` is what MMF runs for an offer and again at its acceptance. The bound relaxes the problem: each role alone, as
if no other took anything. Where greedy's objective meets it, nothing is left to search (the common case); else a
depth-first search over every candidate of every role looks for the optimum, up to `LOOKS` candidates, so that
admission stays within its milliseconds. What it could not finish it says: the gap is then not 0.

Where reliability is lacking, the most available candidate of each role is tried before it is refused; what they attain
is what a refusal tells to ask for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.placement.candidates import Candidates
from orchestrator.placement.greedy import (
    RANK,
    ROUNDING,
    _of_running,
    _Option,
    _options,
    _placement,
    _take,
    _Taken,
    ask_for,
    best_rests,
    flow,
    greedy,
)
from orchestrator.placement.worth import cost, revenue
from orchestrator.qoe.reliability import told
from orchestrator.requirements import WHOLE, CandidateReason, Decision, Lack, OfferRequest, Placement, Verdict

LOOKS = 400
"""Candidates that the search looks at until it is cut off, at some ten microseconds each."""


def decide(request: OfferRequest, candidates: Candidates, seed: str = "") -> Decision:
    """Greedy's decision, or the optimum where that is better or greedy found none; with objective, bound and gap.

    An infeasible one has no objective; where its bound is None too, some role has no candidate even by itself.
    """
    found = greedy(request, candidates, seed)
    unreliable = any(lack.kind == "reliability" for lacks in found.needed.values() for lack in lacks)
    if unreliable:
        found = _steadied(found, request, candidates, seed)
    rests = best_rests(request, candidates)
    floors = _floors(request, candidates, found, rests, cheapest_first=not unreliable)
    search = _Search(request, candidates, seed, rests, floors)
    if None in search.floors:
        return found
    best = search.run(_cost_of(request, candidates, found.placements) if found.feasible else None)
    if search.placements is not None:
        found = _with(found, request, search.placements, search.reliability)
    earns = revenue(request.roles, request.isolation)
    if best is None:
        return found.model_copy(update={"bound": earns - search.least if search.cut_off else None})
    objective, bound = earns - best, earns - (search.least if search.cut_off else best)
    gap = (bound - objective) / max(abs(bound), 1)
    reasons = {
        role.role: _priced(search, number, found.reasons.get(role.role, ()))
        for number, role in enumerate(request.roles)
    }
    return found.model_copy(update={"objective": objective, "bound": bound, "gap": gap, "reasons": reasons})


def conceivable(request: OfferRequest, candidates: Candidates) -> bool:
    """Whether every role has a candidate by itself; where one has none, no decision is feasible. Much less than one."""
    rests = best_rests(request, candidates)
    return all(
        _feasible(request, number, candidates, _Taken(), rests[number], every=False)
        for number in range(len(request.roles))
    )


def _steadied(found: Decision, request: OfferRequest, candidates: Candidates, seed: str) -> Decision:
    """The most available candidates, where they attain what is asked; else what they lack, and how much they attain."""
    steady = greedy(request, candidates, seed, steadiest=True)
    attained = steady.reliability or 0.0
    if attained >= request.reliability - ROUNDING:
        return steady
    lack = Lack(kind="reliability", name="reliability", needed=request.reliability, available=attained)
    return found.model_copy(update={"needed": {**steady.needed, WHOLE: (lack,)}, "reliability": attained})


@dataclass(slots=True)
class _Search:
    """Depth first over the roles in their order, cheapest option first, cut by what the rest costs at least."""

    request: OfferRequest
    candidates: Candidates
    seed: str
    rests: list[float]
    """of each role, the most reliability that the roles after it can attain together"""
    floors: list[int | None]
    """of each role, the cheapest option as if no other role took anything; None where there is none"""
    placements: tuple[Placement, ...] | None = None
    """of the best answer, where the search found a better one than it was given"""
    reliability: float = 0.0
    """that they attain together"""
    best: int | None = None
    cut_off: bool = False
    looks: int = 0

    @property
    def least(self) -> int:
        """What no answer can cost less than."""
        return self._rest(0)

    def run(self, known: int | None) -> int | None:
        """The least cost found, `known` where nothing is better; None where nothing is feasible."""
        self.best = known
        if known is None or known > self.least:
            self._fill(0, 0, (), _Taken())
        return self.best

    def _fill(self, number: int, spent: int, chosen: tuple[Placement, ...], taken: _Taken) -> None:
        if number == len(self.request.roles):
            self.best, self.placements, self.reliability = spent, chosen, taken.reliability
            return
        role = self.request.roles[number]
        self.looks += 2 * len(self.candidates.instances.get(role.model, ())) + len(self.candidates.nodes)
        self.cut_off = self.cut_off or self.looks > LOOKS
        for option in self._options(number, taken) if not self.cut_off else ():
            now = spent + self.cost(number, option.action)
            if self.cut_off or (self.best is not None and now + self._rest(number + 1) >= self.best):
                return
            after = replace(
                taken,
                nodes=dict(taken.nodes),
                rooms=dict(taken.rooms),
                shares=dict(taken.shares),
                links=dict(taken.links),
            )
            node = next((one for one in self.candidates.nodes if one.node == option.node), None)
            _take(after, option, flow(role.resources), node)
            self._fill(number + 1, now, (*chosen, _placement(role, option, self.seed)), after)

    def _rest(self, number: int) -> int:
        """What the roles from this one on cost at least."""
        return sum(floor or 0 for floor in self.floors[number:])

    def _options(self, number: int, taken: _Taken) -> list[_Option]:
        """What can fill a role after these were taken: cheapest first, then as greedy prefers."""
        found = _feasible(self.request, number, self.candidates, taken, self.rests[number], every=True)
        return sorted(found, key=lambda one: (self.cost(number, one.action), RANK[one.action], one.order))

    def cost(self, number: int, action: Verdict) -> int:
        """What filling this role so costs."""
        role = self.request.roles[number]
        return cost(role, self.candidates.models[role.model], action, self.request.isolation)


def _floors(
    request: OfferRequest, candidates: Candidates, found: Decision, rests: Sequence[float], *, cheapest_first: bool
) -> list[int | None]:
    """Of each role the least cost by itself: the one found where it reuses, or where nothing was taken before and the
    cheapest was taken first. What was created after others can be created by itself, too: only something cheaper is
    looked for then. Where a role has none at all there is nothing more to look for: None alone."""
    floors: list[int | None] = []
    for number, role in enumerate(request.roles):
        actions: list[Verdict] = [one.action for one in found.reasons.get(role.role, ()) if one.chosen]
        if not actions or (actions[0] != "reuse" and not (cheapest_first and number == 0)):
            look = _of_running if actions == ["create"] else _options
            alone = _feasible(request, number, candidates, _Taken(), rests[number], every=False, look=look)
            actions += [one.action for one in alone]
        chosen = min(actions, key=RANK.__getitem__, default=None)
        if chosen is None:
            return [None]
        model = candidates.models.get(role.model)
        floors.append(cost(role, model, chosen, request.isolation) if model and chosen else None)
    return floors


def _feasible(
    request: OfferRequest,
    number: int,
    candidates: Candidates,
    taken: _Taken,
    others: float,
    *,
    every: bool,
    look: Callable[..., tuple[_Option, ...]] = _options,
) -> list[_Option]:
    """What can fill a role, after these were taken and before the others."""
    role = request.roles[number]
    nodes = {node.node: node for node in candidates.nodes}
    ask = ask_for(request, role, candidates, nodes, taken, others)
    if ask is None:
        return []
    running = candidates.instances.get(role.model, ())
    return [option for option in look(ask, running, every=every) if not option.lacks]


def _cost_of(request: OfferRequest, candidates: Candidates, placements: Sequence[Placement]) -> int:
    pairs = zip(request.roles, placements, strict=True)
    return sum(cost(role, candidates.models[role.model], one.verdict, request.isolation) for role, one in pairs)


def _with(found: Decision, request: OfferRequest, placements: tuple[Placement, ...], reliability: float) -> Decision:
    """The decision with the search's placements, its chosen candidates marked anew."""
    chosen: Mapping[str, Placement] = {placement.role: placement for placement in placements}
    reasons = {role.role: _marked(found.reasons.get(role.role, ()), chosen[role.role]) for role in request.roles}
    verdict = max((one.verdict for one in placements), key=RANK.__getitem__, default="create")
    return found.model_copy(
        update={
            "feasible": True,
            "verdict": verdict,
            "placements": placements,
            "reasons": reasons,
            "needed": {},
            "reliability": told(reliability),
        }
    )


def _marked(reasons: Sequence[CandidateReason], chosen: Placement) -> tuple[CandidateReason, ...]:
    """Greedy's reasons, with the search's choice in place of greedy's; what it lacked for greedy, it does not here."""
    name = chosen.node if chosen.verdict == "create" else chosen.instance
    mine = {(one.candidate, one.action): one for one in reasons}.get((name, chosen.verdict))
    others = [one.model_copy(update={"chosen": False}) for one in reasons if one is not mine]
    mine = mine or CandidateReason(candidate=name, action=chosen.verdict, chosen=True)
    return (*others, mine.model_copy(update={"chosen": True, "lacks": ()}))


def _priced(search: _Search, number: int, reasons: Sequence[CandidateReason]) -> tuple[CandidateReason, ...]:
    """The chosen candidate with what it costs; one that lacks nothing but is dearer than that lacks money."""
    action = next((one.action for one in reasons if one.chosen), None)
    if action is None:
        return tuple(reasons)
    costs: dict[Verdict, int] = {each: search.cost(number, each) for each in RANK}
    return tuple(
        _price(one, costs[one.action], costs[action]) if one.chosen or not one.lacks else one for one in reasons
    )


def _price(one: CandidateReason, costs: int, least: int) -> CandidateReason:
    if one.chosen:
        return one.model_copy(update={"cost": costs})
    if costs <= least:
        return one
    lack = Lack(kind="money", name="cost", needed=costs, available=least, unit="points")
    return one.model_copy(update={"cost": costs, "lacks": (lack,)})
