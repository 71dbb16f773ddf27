"""Max-min fair shares: what one supply gives to several askers. Pure; VMOF uses it for every rate inside an MSI."""

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


def with_spare(supply: int, claims: Mapping[str, int], wishes: Mapping[str, int]) -> dict[str, int]:
    """Whole amounts per asker: everybody's claim, and of what the supply has above all claims a max-min fair part.

    Nobody gets less than his claim, nor more than his wish where that is larger; the sum is at most the supply where
    that holds the claims.
    """
    spare = max(supply - sum(claims.values()), 0)
    more = fair_shares(spare, {asker: max(wishes[asker] - claim, 0) for asker, claim in claims.items()})
    return {asker: claim + more[asker] for asker, claim in claims.items()}
