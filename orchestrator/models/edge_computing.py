"""Edge computing: works through records where they arise, so that only the result travels on.

run {"records": [{field: number | string | bool}, …], "where": [[field, op, value], …], "group_by": [fields],
     "reduce": {name: ["count"] | ["sum"|"mean"|"min"|"max"|"std"|"p50"|"p95"|"p99"|"distinct", field]}}
op: = != < <= > >= in. Without `reduce` the records that pass are the answer.
The granted computing says how many records are looked at (100 a millicore): of more, an even sample is taken, counts
and sums are scaled up, and the standard error of each mean says what that costs. Quantity: hundred records looked at.
"""

import math
import operator
import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.models.errors import BadCall
from orchestrator.models.serving import Answer, Program, Request, json_answer, run, shown

DEFAULT_MCORES = 50
RECORDS_PER_MCORE = 100
MOST_RECORDS, MOST_CLAUSES, MOST_GROUPS, MOST_PASSED = 50_000, 16, 1000, 1000
LARGEST = 1e15
Record = Mapping[str, Any]
Clause = tuple[str, Callable[[Any, Any], bool], Any]
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda value, options: value in options,
}
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
SCALED = ("count", "sum")
REDUCERS = ("count", "sum", "mean", "min", "max", "std", "distinct", *PERCENTILES)


def run_query(request: Request) -> Answer:
    records = [part.params for part in request.parts("records", 1, MOST_RECORDS)]
    most = max(request.granted("computing_mcores", DEFAULT_MCORES) * RECORDS_PER_MCORE, 1)
    looked_at = sample(records, most)
    where, group_by, reduce = _where(request), _fields(request), _reduce(request)
    passed = [record for record in looked_at if all(_holds(record, clause) for clause in where)]
    info = {"looked_at": len(looked_at), "records": len(records), "passed": len(passed)}
    if not reduce:
        value: dict[str, Any] = {"records": passed[:MOST_PASSED], "cut": len(passed) > MOST_PASSED}
        return json_answer(value, math.ceil(len(looked_at) / 100), info)
    groups: defaultdict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for record in passed:
        groups[tuple(_plain(record.get(field), field) for field in group_by)].append(record)
    if len(groups) > MOST_GROUPS:
        raise BadCall(f"group_by makes {len(groups)} groups where {MOST_GROUPS} are the most; name coarser fields")
    scale = len(records) / len(looked_at)
    rows = [
        {**dict(zip(group_by, key, strict=True)), **_reduced(members, reduce, scale)}
        for key, members in sorted(groups.items(), key=lambda group: repr(group[0]))
    ]
    return json_answer({"groups": rows, "sampled": scale > 1}, math.ceil(len(looked_at) / 100), info)


def sample(records: list[Record], most: int) -> list[Record]:
    """All, or so many of them that each had the same chance; the same for the same records' number."""
    if len(records) <= most:
        return records
    chosen = random.Random(len(records)).sample(range(len(records)), most)  # noqa: S311  (statistics, not secrets)
    return [records[number] for number in sorted(chosen)]


def reduced(how: str, values: list[Any], scale: float) -> Any:
    """One figure of a group's values; None where there are none."""
    if how == "count":
        return round(len(values) * scale)
    if how == "distinct":
        return len(set(values))
    if not values:
        return None
    ordered, middle = sorted(values), sum(values) / len(values)
    match how:
        case "sum":
            return sum(values) * scale
        case "mean":
            return middle
        case "min":
            return ordered[0]
        case "max":
            return ordered[-1]
        case "std":
            return _deviation(values, middle)
    return ordered[min(math.ceil(PERCENTILES[how] * len(ordered)), len(ordered)) - 1]


def _reduced(members: list[Record], reduce: Mapping[str, tuple[str, str]], scale: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, (how, field) in reduce.items():
        values = _values(members, how, field)
        found[name] = reduced(how, values, scale)
        if how == "mean" and scale > 1 and values:
            found[f"{name}_error"] = _deviation(values, found[name]) / math.sqrt(len(values))
    return found


def _values(members: list[Record], how: str, field: str) -> list[Any]:
    if how == "count":
        return list(members)
    values = [_plain(record[field], field) for record in members if field in record]
    if how != "distinct" and not all(type(value) in (int, float) and abs(value) <= LARGEST for value in values):
        raise BadCall(f"reduce: {how} of {field!r} needs numbers; leave out the records where it is none")
    return values


def _plain(value: Any, field: str) -> Any:
    if isinstance(value, list | dict):
        raise BadCall(f"{field!r} holds lists or objects; group and reduce by numbers, strings and booleans")
    return value


def _deviation(values: list[float], middle: float) -> float:
    return math.sqrt(sum((value - middle) ** 2 for value in values) / max(len(values) - 1, 1))


def _holds(record: Record, clause: Clause) -> bool:
    """A record without the field, or with one of another kind, does not pass."""
    field, test, value = clause
    try:
        return field in record and bool(test(record[field], value))
    except TypeError:
        return False


def _where(request: Request) -> list[Clause]:
    clauses = request.listed("where", 0, MOST_CLAUSES)
    for clause in clauses:
        if not isinstance(clause, list) or len(clause) != 3 or not isinstance(clause[0], str):
            raise BadCall("where must be a list of [field, operator, value]")
        if not isinstance(clause[1], str) or clause[1] not in OPERATORS:
            raise BadCall(f"where: {shown(clause[1])} is no operator; there are {' '.join(OPERATORS)}")
        if clause[1] == "in" and not isinstance(clause[2], list):
            raise BadCall("where: in needs a list of values")
    return [(field, OPERATORS[op], value) for field, op, value in clauses]


def _fields(request: Request) -> list[str]:
    fields = request.listed("group_by", 0, 4)
    if not all(isinstance(field, str) for field in fields):
        raise BadCall("group_by must be a list of field names")
    return fields


def _reduce(request: Request) -> dict[str, tuple[str, str]]:
    wanted = request.part("reduce")
    found = {}
    for name in wanted.params:
        how, *field = wanted.listed(name, 1, 2)
        if how not in REDUCERS or (how != "count" and not (field and isinstance(field[0], str))):
            raise BadCall(f"reduce: {name} must be [one of {', '.join(REDUCERS)}, field]")
        found[name] = (str(how), str(field[0]) if field else "")
    if len(found) > MOST_CLAUSES:
        raise BadCall(f"reduce has {len(found)} figures where {MOST_CLAUSES} are the most")
    return found


def build() -> Program:
    return Program("edge-computing", {"run": run_query})


if __name__ == "__main__":
    run(build())
