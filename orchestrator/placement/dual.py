"""An upper bound on any profit, and what scarce room is worth: the Lagrangian dual of the linear relaxation.

Relaxed, each with its price: a role is filled as often as its request is accepted (any sign), latency, site capacity
and instance capacity (never negative). What is left falls apart: accept a request where its revenue pays the prices of
its roles, open an instance where the gains of its attachments pay it. **The value is a bound at every set of prices**,
so the search for good ones (subgradients with momentum and Polyak's step towards a known profit) may stop at any time.
Moving costs are left out, which can only raise the bound. A step costs about 4 ms at 1,000 requests and 200 models.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from orchestrator.placement.tables import Bools, Floats, Ints, Tables

MOMENTUM = 0.9
PATIENCE = 30
"""steps without progress before the stride is shortened and the search goes back to the best prices"""
SHORTEN, SHORTEST = 0.7, 1e-3
WORTHWHILE = 1e-4
"""of the bound: what counts as progress"""
REACH = 0.97
"""of the bound: what to aim at while no good profit is known"""


@dataclass(frozen=True, eq=False)
class Prices:
    """What the relaxed constraints are worth, in money per unit; or, as a subgradient, how far each is from tight."""

    role: Floats
    """R K"""
    latency: Floats
    """R"""
    site: Floats
    """S T"""
    instance: Floats
    """shared I, T"""

    def flat(self) -> Floats:
        """All of them in one line."""
        return np.concatenate([one.ravel() for one in (self.role, self.latency, self.site, self.instance)])


def of_flat(t: Tables, flat: Floats) -> Prices:
    """The prices in one line, as views by kind."""
    resources = t.demand.shape[2]
    ends = np.cumsum([t.has_role.size, len(t.revenue), t.sites * resources])
    role, latency, site, instance = np.split(flat, ends)
    return Prices(role.reshape(t.has_role.shape), latency, site.reshape(-1, resources), instance.reshape(-1, resources))


@dataclass(frozen=True, eq=False)
class Dual:
    """The relaxation of one problem, its N usable candidates in one line."""

    t: Tables
    row: Ints
    role: Ints
    instance: Ints
    site: Ints
    cost: Floats
    takes: Floats
    """N T"""
    demand: Floats
    """N T"""
    latency: Floats
    dedicated: Bools

    def value(self, prices: Prices) -> tuple[float, Prices]:
        """The bound at these prices, and its subgradient."""
        t = self.t
        accepting = t.revenue - prices.role.sum(1) + prices.latency * t.latency_bound
        won = np.maximum(prices.role[self.row, self.role] - self._attaching(prices), 0.0)
        opening = np.bincount(self.instance, won, minlength=len(t.site))[: t.shared] - _opening(t, prices)
        accepted, is_open = accepting > 0, np.ones(len(t.site), dtype=bool)
        is_open[: t.shared] = opening > 0
        bound = (
            (prices.site * t.site_capacity[:-1]).sum()
            + accepting[accepted].sum()
            + opening[opening > 0].sum()
            + won[self.dedicated].sum()
        )
        return float(bound), self._slack(accepted, is_open, (won > 0) & is_open[self.instance])

    def _attaching(self, prices: Prices) -> Floats:
        """N: what each candidate costs at these prices."""
        dedicated = np.zeros((len(self.t.site) - self.t.shared, self.takes.shape[1]))
        of_instance = np.vstack([prices.instance, dedicated])
        cost: Floats = self.cost + prices.latency[self.row] * self.latency
        cost += np.einsum("nt,nt->n", self.takes, prices.site[self.site])
        cost += np.einsum("nt,nt->n", self.demand, of_instance[self.instance])
        return cost

    def _slack(self, accepted: Bools, is_open: Bools, attached: Bools) -> Prices:
        t, opened = self.t, np.flatnonzero(is_open[: self.t.shared])
        row, role, instance, site = (one[attached] for one in (self.row, self.role, self.instance, self.site))
        box = t.has_role.shape
        filled = np.bincount(row * box[1] + role, minlength=t.has_role.size).reshape(box)
        site_room = t.site_capacity[:-1].astype(float)
        room = t.capacity[: t.shared] * is_open[: t.shared, None].astype(float)
        for resource in range(self.takes.shape[1]):
            taken = np.bincount(site, self.takes[attached, resource], minlength=t.sites)
            overhead = np.bincount(t.site[opened], t.overhead[opened, resource], minlength=t.sites)
            held = np.bincount(instance, self.demand[attached, resource], minlength=len(t.site))
            site_room[:, resource] -= taken + overhead
            room[:, resource] -= held[: t.shared]
        return Prices(
            role=(filled - accepted[:, None]) * t.has_role.astype(float),
            latency=(accepted * t.latency_bound).astype(float)
            - np.bincount(row, self.latency[attached], minlength=len(t.revenue)),
            site=site_room,
            instance=room,
        )


def dual(t: Tables) -> Dual:
    """The relaxation of a problem."""
    row, role, _ = np.nonzero(t.usable)
    instance = t.instance[t.usable]
    return Dual(
        t=t,
        row=row,
        role=role,
        instance=instance,
        site=t.site[instance],
        cost=t.cost[t.usable],
        takes=t.takes[t.usable].astype(float),
        demand=t.demand[row, role].astype(float),
        latency=t.latency[t.usable].astype(float),
        dedicated=instance >= t.shared,
    )


def _opening(t: Tables, prices: Prices) -> Floats:
    """What opening each shared instance costs at these prices: its room is paid back by who fills it."""
    overhead = (t.overhead[: t.shared] * prices.site[t.site[: t.shared]]).sum(1)
    capacity = (t.capacity[: t.shared] * prices.instance).sum(1)
    opening: Floats = t.opening[: t.shared] + overhead - capacity
    return opening


def first_prices(t: Tables) -> Prices:
    """A start: each role at its cheapest candidate and a little more, all room free."""
    cheapest = t.cost.min(2, initial=np.inf)
    resources = t.demand.shape[2]
    return Prices(
        role=np.where(np.isfinite(cheapest), cheapest + 10.0, 0.0) * t.has_role,
        latency=np.zeros(len(t.revenue)),
        site=np.zeros((t.sites, resources)),
        instance=np.zeros((t.shared, resources)),
    )


def _scale(t: Tables) -> Floats:
    """How far a unit of each slack may move its price: found by trying, the same for every size."""
    ones = first_prices(t)
    sites = max(float(t.site_capacity[:-1].mean()), 1.0)
    instances = max(float(t.capacity[: t.shared].mean()), 1.0)
    return Prices(
        role=np.ones_like(ones.role),
        latency=np.full_like(ones.latency, 0.03),
        site=np.full_like(ones.site, 0.3 / sites),
        instance=np.full_like(ones.instance, 0.3 / instances),
    ).flat()


def descend(
    relaxed: Dual, prices: Prices, steps: int, known: float = 0.0, goes_on: Callable[[], bool] = lambda: True
) -> tuple[float, Prices]:
    """The lowest bound found in so many steps, and its prices; `known` is a profit that is feasible."""
    t, scale = relaxed.t, _scale(relaxed.t)
    free = t.has_role.size
    flat = prices.flat()
    best, at_best, stride, stalled = np.inf, flat, 1.0, 0
    direction = np.zeros_like(flat)
    for _ in range(steps):
        bound, slack = relaxed.value(of_flat(t, flat))
        stalled = 0 if bound < best * (1 - WORTHWHILE) else stalled + 1
        if bound < best:
            best, at_best = bound, flat
        if stalled > PATIENCE:
            stride, stalled, flat = stride * SHORTEN, 0, at_best
            bound, slack = relaxed.value(of_flat(t, flat))
            direction = slack.flat()
        direction = MOMENTUM * direction + (1 - MOMENTUM) * slack.flat() if direction.any() else slack.flat()
        length = float((scale * direction * direction).sum())
        if length <= 0 or stride < SHORTEST or not goes_on():
            break
        flat = flat - stride * (bound - max(known, REACH * best)) / length * scale * direction
        flat[free:] = np.maximum(flat[free:], 0.0)
    return best, of_flat(t, at_best)
