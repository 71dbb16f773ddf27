"""Max-min fair shares: what one supply gives to several askers. Pure; VMOF uses it for rendering inside an MSI."""

from collections.abc import Mapping


def fair_shares(supply: int, demands: Mapping[str, int]) -> dict[str, int]:
    """Whole amounts per asker: nobody gets more than asked, and who gets less gets as much as anybody (rounded down).

    The sum never passes `supply`. Water-filling over the demands, smallest first.
    """
    left, grants = supply, dict.fromkeys(demands, 0)
    waiting = sorted(demands, key=lambda asker: (demands[asker], asker))
    for position, asker in enumerate(waiting):
        level = left // (len(waiting) - position)
        grants[asker] = min(demands[asker], level)
        left -= grants[asker]
    return grants
