"""What VMOF was asked under each Idempotency-Key, as rows: one key is one call, and a repeat gets the first answer.

Every change of VMOF's begins here in its first transaction. Only instantiations keep their answer here; of the others
the engine keeps the workflow's.
"""

import json
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from orchestrator.instances.repeats import KeyReused
from orchestrator.instances.tables import VMOF_CALLS
from storage import upsert

Answer = dict[str, Any]

_MINE = VMOF_CALLS.c.key == sa.bindparam("mine")
_ONE, _CONCLUDE = sa.select(VMOF_CALLS).where(_MINE), sa.update(VMOF_CALLS).where(_MINE)
_ADD = upsert(VMOF_CALLS).on_conflict_do_nothing().returning(VMOF_CALLS.c.key)


def begin(rows: sa.Connection, key: str, call: list[Any], now: int) -> Answer | None:
    """The answer that this call has had; None for a new one, or one that is not answered yet.

    `call` is what was asked, as JSON. KeyReused where the key is another call's. `now`: UTC seconds.
    """
    digest = sha256(json.dumps(call, sort_keys=True).encode()).hexdigest()
    if rows.execute(_ADD, {"key": key, "call": digest, "at": now}).first() is not None:
        return None
    known = rows.execute(_ONE, {"mine": key}).mappings().one()
    if known["call"] != digest:
        raise KeyReused(f"{key} was begun for another call. Take a new Idempotency-Key for a new call.")
    answer: Answer | None = known["answer"]
    return answer


def answer_of(rows: sa.Connection, key: str) -> Answer | None:
    """What the call that began under this key was answered; None where it is still to be."""
    answer: Answer | None = rows.execute(_ONE, {"mine": key}).mappings().one()["answer"]
    return answer


def conclude(rows: sa.Connection, key: str, answer: Answer) -> Answer:
    """Keep the answer; it is what every repeat gets."""
    rows.execute(_CONCLUDE, {"mine": key, "answer": answer})
    return answer
