"""Which shared instances to open, at given prices for site and instance room: local search with exact moves.

At fixed prices requests no longer compete, so the worth of a set of open instances is a sum over requests, and the
table of patterns through every candidate (orchestrator.placement.patterns) gives the exact change of closing or opening
any one instance, all at once. A move recomputes the rows of that instance's askers only: about 3 ms of 30 at 1,000
requests and 200 models. Capacities are not kept here, only priced.
"""

from collections.abc import Callable

import numpy as np

from orchestrator.placement.dual import Prices
from orchestrator.placement.patterns import through
from orchestrator.placement.tables import Bools, Floats, Ints, Tables

WORTHWHILE = 1e-6


class Openings:
    """A set of open instances at given prices, kept up to date as instances open and close."""

    def __init__(self, t: Tables, is_open: Bools, prices: Prices) -> None:
        self.t = t
        self.is_open = is_open.copy()
        self.is_open[t.shared :] = True
        self.price(prices)

    def price(self, prices: Prices) -> None:
        """Value everything at other prices."""
        t = self.t
        resources = t.demand.shape[2]
        of_site = np.vstack([prices.site, np.zeros((1, resources))])
        of_instance = np.vstack([prices.instance, np.zeros((len(t.site) - t.shared, resources))])
        which = t.instance
        self.room_worth = float((prices.site * t.site_capacity[:-1]).sum())
        self.prices: Floats = t.cost + np.einsum("rkct,rkct->rkc", t.takes, of_site[t.site[which]])
        self.prices += np.einsum("rkt,rkct->rkc", t.demand, of_instance[which])
        self.site_opening: Floats = t.opening + (t.overhead * of_site[t.site]).sum(1)
        """I: what opening costs, room at the site counted"""
        self.opening: Floats = self.site_opening.copy()
        self.opening[: t.shared] -= (t.capacity[: t.shared] * prices.instance).sum(1)
        self.through = np.empty(which.shape)
        self._renew(np.arange(len(t.revenue)))

    def flip(self, instance: int) -> None:
        """Open what is closed, close what is open."""
        self.is_open[instance] = not self.is_open[instance]
        self._renew(self.t.askers[instance])

    def best_costs(self) -> Floats:
        """R: the cheapest pattern of each request at open instances."""
        at_open = np.where(self.is_open[self.t.instance[:, 0]], self.through[:, 0], np.inf)
        costs: Floats = at_open.min(1, initial=np.inf)
        return costs

    def moves(self) -> tuple[float, Floats]:
        """What the set is worth, and for each instance by how much a flip would change that (−∞ for dedicated)."""
        t, is_open = self.t, self.is_open[self.t.instance]
        at_open = np.where(is_open, self.through, np.inf)
        first = at_open.argmin(2)[..., None]
        surplus = np.maximum(t.revenue - np.take_along_axis(at_open, first, 2)[:, 0, 0], 0.0)
        gained = np.maximum(t.revenue[:, None, None] - self.through - surplus[:, None, None], 0.0)
        gains = np.bincount(t.instance.ravel(), np.where(is_open, 0.0, gained).ravel(), minlength=len(t.site))
        opening: Floats = gains.astype(float) - self.opening
        np.put_along_axis(at_open, first, np.inf, 2)
        lost = surplus[:, None] - np.maximum(t.revenue[:, None] - at_open.min(2), 0.0)
        used = np.take_along_axis(t.instance, first, 2)[..., 0]
        closing = self.opening - np.bincount(used.ravel(), lost.ravel(), minlength=len(t.site))
        change: Floats = np.where(self.is_open, closing, opening)
        change[t.shared :] = -np.inf
        worth = self.room_worth + surplus.sum() - self.opening[self.is_open].sum()
        return float(worth), change

    def climb(self, goes_on: Callable[[], bool] = lambda: True, held: Ints | None = None) -> float:
        """Flip the best instance until none is worth it, those of `held` aside; what the set is worth then."""
        while True:
            worth, change = self.moves()
            change[held if held is not None else slice(0)] = -np.inf
            best = int(change.argmax())
            if change[best] <= WORTHWHILE or not goes_on():
                return worth
            self.flip(best)

    def _renew(self, rows: Ints) -> None:
        self.through[rows] = through(self.t, rows, self.prices, self.is_open)
