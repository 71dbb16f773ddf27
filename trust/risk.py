"""Signs that a session key is in the wrong hands; enough of them lower its sessions to re-authentication.

Fed and asked by the gate on session calls. Only calls that hold a good token count, so that nobody can lower a session
whose token it does not have. What is lowered is written to `trust.revocations` and holds in all programs and replicas;
the signs themselves are kept in memory, a bounded number of keys.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

MOST_KEYS = 4_096
WINDOW_S = 60.0
PROOF_FAILURES = 5  # in the window: a client that works makes none
SKEW_JUMP_S = 20  # between two proofs of one key: one device has one clock


@dataclass(slots=True)
class Signs:
    """What was seen of one key."""

    places: deque[tuple[str, float]] = field(default_factory=lambda: deque(maxlen=3))
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=PROOF_FAILURES))
    refused_for_rate: deque[float] = field(default_factory=lambda: deque(maxlen=100))
    offset_s: float | None = None


class RiskBoard:
    """Each method returns why the key must authenticate again, or nothing."""

    def __init__(self) -> None:
        self._signs: OrderedDict[str, Signs] = OrderedDict()

    def used(self, jkt: str, place: str, proof_issued: int, now: float) -> str:
        """A good call. Two places: seen at A, at B, and at A again within a minute; once only is roaming."""
        signs = self._of(jkt)
        reason = _two_places(signs, place, now) or _two_clocks(signs, proof_issued - now)
        return self._told(jkt, reason)

    def proof_failed(self, jkt: str, now: float) -> str:
        """A good token with a proof that is not good."""
        failures = self._of(jkt).failures
        failures.append(now)
        return self._told(jkt, "many proofs failed" if _full(failures, now) else "")

    def went_too_fast(self, jkt: str, now: float) -> str:
        """Refused for its rate: a client that heeds Retry-After is refused once, not a hundred times a minute."""
        refused = self._of(jkt).refused_for_rate
        refused.append(now)
        return self._told(jkt, "the rate was not lowered when asked" if _full(refused, now) else "")

    def _of(self, jkt: str) -> Signs:
        signs = self._signs.setdefault(jkt, Signs())
        self._signs.move_to_end(jkt)
        if len(self._signs) > MOST_KEYS:
            self._signs.popitem(last=False)
        return signs

    def _told(self, jkt: str, reason: str) -> str:
        if reason:
            del self._signs[jkt]  # the next session of this key starts with a clean sheet
        return reason


def _two_places(signs: Signs, place: str, now: float) -> str:
    places = signs.places
    if not places or places[-1][0] != place:
        places.append((place, now))
    else:
        places[-1] = (place, now)
    back = len(places) == 3 and places[0][0] == place and now - places[0][1] <= WINDOW_S
    return "the key is used from two places at once" if back else ""


def _two_clocks(signs: Signs, offset_s: float) -> str:
    before, signs.offset_s = signs.offset_s, offset_s
    jumped = before is not None and abs(offset_s - before) > SKEW_JUMP_S
    return "the key's clock jumped" if jumped else ""


def _full(moments: "deque[float]", now: float) -> bool:
    return len(moments) == moments.maxlen and now - moments[0] <= WINDOW_S
