"""How values look on a page: money, addresses, times, durations. Pure; used by the templates as filters."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from markupsafe import Markup, escape

from marketplace.notice_kinds import WORDS as NOTICE_WORDS

DECIMALS = 6
"""Of the devnet's credit token (MaaSCredit)."""
SYMBOL = "MAAS"
_STEPS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def money(amount: int | str | None) -> str:
    """The token's smallest units as a decimal amount with its symbol: 1005000 → `1.005 MAAS`."""
    if amount is None:
        return "–"
    return f"{decimal(amount)} {SYMBOL}"


def decimal(amount: int | str) -> str:
    """Without the symbol; no trailing zeros: 50 → `0.00005`."""
    value = int(amount)
    whole, rest = divmod(abs(value), 10**DECIMALS)
    fraction = f"{rest:0{DECIMALS}d}".rstrip("0")
    return f"{'-' if value < 0 else ''}{whole:,}{'.' + fraction if fraction else ''}"


def in_smallest(text: str) -> int:
    """What a person wrote (`0.00005`) in the token's smallest units, rounded down; raises ValueError."""
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no amount") from error
    if not amount.is_finite() or not 0 <= amount < 10**24:
        raise ValueError(f"{text!r} is no amount from 0 up")
    return int(amount * 10**DECIMALS)


def ether(wei: int) -> str:
    """Gas money in whole coins, to a millionth: 99988519887910579675 → `99.988519 ETH`."""
    return f"{wei // 10**12 / 10**6:,.6f}".rstrip("0").rstrip(".") + " ETH"


def short(text: str | None) -> str:
    """An address or hash that fits in a line: `0x12ab…9f00`."""
    if not text:
        return "–"
    return text if len(text) <= 14 else f"{text[:6]}…{text[-4:]}"


def moment(seconds: int | str | None) -> str:
    """UTC seconds as `2026-11-27 05:12:09 UTC`; a dash for none and for zero."""
    if not seconds or int(seconds) == 0:
        return "–"
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def machine_moment(seconds: int | str) -> str:
    """The same for <time datetime>."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(milliseconds: int) -> str:
    """UTC milliseconds as `05:12:09.120 UTC`: for things that follow each other within a day."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%H:%M:%S.%f")[:-3] + " UTC"


def duration(seconds: int | str | None) -> str:
    """The two largest parts: 5400 → `1 hour 30 minutes`."""
    rest = int(seconds or 0)
    parts = []
    for size, name in _STEPS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(parts[:2]) or "0 seconds"


def milli(value: int | str | None) -> str:
    """Thousandths as a number: 500 → `0.5`; Meta-Immersion is kept so."""
    if value is None:
        return "–"
    return f"{int(value) / 1000:g}"


def percent(bps: int | str) -> str:
    """Hundredths of a percent: 2000 → `20 %`."""
    return f"{int(bps) / 100:g} %"


def plain(name: str | None) -> str:
    """`virtual_travelling` → `virtual travelling`."""
    return (name or "").replace("_", " ")


def sentence(text: str) -> str:
    """With a capital letter first, the rest as it is: problems say why in the middle of a sentence."""
    return text[:1].upper() + text[1:]


def coded(text: str) -> Markup:
    """With what stands between backticks as code; all else is escaped."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 — escaped before


MONEY_NAMES = {
    "amount", "reserved", "refunded", "price", "royalty", "total", "unitPrice", "periodPrice", "expectedPrice", "value",
    "time_paid", "time_refunded", "unit_price", "period_price",
}  # fmt: skip
TIME_NAMES = {
    "deadline", "since", "expires", "through", "paid_through", "releasable_at", "confirmable_at", "not_before",
    "not_after", "notBefore", "notAfter",
}  # fmt: skip
"""Of events' and calls' fields: which hold money in smallest units, which UTC seconds."""
RESOURCES = {
    "computing_mcores": "computing, thousandths of a core",
    "bandwidth_mbps": "bandwidth, Mb/s",
    "protocol_stack_sessions": "protocol stack, sessions",
    "rendering_k": "rendering, K",
    "storage_mib": "storage, MiB",
    "spectrum_mhz": "spectrum, MHz",
}
SERVICE_TYPES = {"ar_vr": "AR and VR", "digital_twin": "digital twin"}


def resource(name: str) -> str:
    """A resource with its unit."""
    return RESOURCES.get(name, plain(name))


def service_type(name: str) -> str:
    return SERVICE_TYPES.get(name, plain(name))


STAGES = {
    "final": "Final on the chain",
    "preparing": "Taken up",
    "stepI": "Step I: MSMF",
    "planning": "Place looked for",
    "stepII": "Step II: VMOF",
    "stepIII": "Step III: MMF",
    "submitted": "Activation sent",
    "activated": "Activated on the chain",
}


def stage(name: str) -> str:
    """What the orchestrator's time is of."""
    return STAGES.get(name, plain(name).capitalize())


def happened(kind: str) -> str:
    """What a notice tells of a service."""
    return NOTICE_WORDS.get(kind, plain(kind))


ISOLATION = {0: "shared with all", 1: "shared within the cluster", 2: "dedicated"}


def isolation(degree: int | str | None) -> str:
    """A degree of isolation in words."""
    return ISOLATION.get(int(degree or 0), str(degree))


FILTERS = {
    each.__name__: each
    for each in (money, decimal, ether, short, moment, machine_moment, duration, milli, percent, plain, sentence, coded,
                 stage, clock, resource, service_type, isolation, happened)
}  # fmt: skip
