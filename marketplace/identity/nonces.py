"""Nonces of this server: made on demand, good for five minutes, once.

A nonce is taken in the very transaction that does what it was made for; what is refused leaves it good.
"""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, delete, func, insert, select

from marketplace.database import nonces
from marketplace.errors import TooManyNonces
from marketplace.parts import Parts
from trust.errors import SignInRefused

LIFETIME_S = 300
"""Time for a person to read and sign."""
MOST = 20_000
"""Outstanding at once; beyond it nobody gets one until some have expired."""


def give(parts: Parts) -> tuple[str, int]:
    """(nonce, when it expires in UTC seconds); raises TooManyNonces."""
    now = int(parts.clock())
    with parts.engine.begin() as rows:
        rows.execute(delete(nonces).where(nonces.c.expires <= now))
        if (rows.scalar(select(func.count()).select_from(nonces)) or 0) >= MOST:
            raise TooManyNonces(f"{MOST} sign-ins were begun and not finished.", remedy="Try again in a minute.")
        row = {"nonce": secrets.token_hex(16), "expires": now + LIFETIME_S}
        rows.execute(insert(nonces).values(row))
    return str(row["nonce"]), now + LIFETIME_S


def take(parts: Parts, rows: Connection, nonce: str) -> None:
    """Uses it up; SignInRefused where it is not ours, was used, or has expired."""
    now = int(parts.clock())
    if rows.execute(delete(nonces).where(nonces.c.nonce == nonce, nonces.c.expires > now)).rowcount != 1:
        raise SignInRefused("Its nonce was not given here, was used before, or has expired.")
