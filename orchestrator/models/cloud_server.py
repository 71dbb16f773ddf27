"""Cloud server: runs the tenant's own functions, deployed as JSON, for as many steps as computing is granted.

deploy {"name", "functions": {function: {"params": [names], "body": expression}, …}}   `main` is what is called
invoke {"name", "args": [values]}                                                      its result
list   {}                                                                              what is deployed
An expression is a number, string, boolean or null, ["$", variable], or [form, …]:
  ["let", variable, value, body]   ["if", test, then, else]   ["map"|"filter", variable, list, body]
  ["fold", total, start, variable, list, body]   ["and"|"or", a, b]   [operator, …]   [function of the program, …]
operators: + - * / // % ** = != < <= > >= not min max abs sqrt exp log sin cos floor round len at range list concat
The granted computing carries STEPS_PER_MCORE steps a millicore; a step makes at most one value, so steps bound memory
too. Deployed functions take storage (`storage_mib`) and are the tenant's own. Quantity: thousand steps, functions.
"""

import json
import math
import operator
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.models.errors import BadCall, NotThere, OverGrant
from orchestrator.models.serving import Answer, Program, Request, json_answer, run

DEFAULT_MCORES, DEFAULT_STORAGE_MIB = 100, 4
STEPS_PER_MCORE = 2000
MOST_DEEP = 100
MOST_FUNCTIONS, MOST_PARAMS = 64, 16
LARGEST = 2**53
Values = Mapping[str, Any]
NUMERIC: Mapping[str, Callable[..., Any]] = {
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": math.pow,
    "min": min,
    "max": max,
    "abs": abs,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "sin": math.sin,
    "cos": math.cos,
    "floor": math.floor,
    "round": round,
}
ORDERED: Mapping[str, Callable[..., Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
PLAIN: Mapping[str, Callable[..., Any]] = {
    "+": operator.add,
    "=": operator.eq,
    "!=": operator.ne,
    "not": operator.not_,
    "len": len,
    "at": lambda values, place: values[place],
    "concat": operator.add,
    "list": lambda *values: list(values),
    "range": lambda count: list(range(count)),
}
FORMS = ("$", "let", "if", "map", "filter", "fold", "and", "or", *NUMERIC, *ORDERED, *PLAIN)


@dataclass(frozen=True)
class Function:
    params: tuple[str, ...]
    body: Any


@dataclass(frozen=True)
class Deployed:
    functions: Mapping[str, Function]
    size: int


class Machine:
    """One invocation: the program, and the steps that are left to it."""

    def __init__(self, functions: Mapping[str, Function], most: int) -> None:
        self._functions, self._most, self.steps = functions, most, 0

    def call(self, name: str, args: list[Any], depth: int = 0) -> Any:
        function = self._functions.get(name)
        if function is None:
            raise BadCall(f"{name!r} is no form, operator or function of this program")
        if len(args) != len(function.params):
            raise BadCall(f"{name} takes {len(function.params)} arguments, not {len(args)}")
        return self.value(function.body, dict(zip(function.params, args, strict=True)), depth + 1)

    def value(self, expression: Any, known: Values, depth: int) -> Any:
        self._spend(1)
        if depth > MOST_DEEP:
            raise BadCall(f"the program nests deeper than {MOST_DEEP} calls and expressions; use fold")
        if not isinstance(expression, list):
            return expression
        if not expression or not isinstance(expression[0], str):
            raise BadCall(f"{json.dumps(expression)[:80]} is no expression; its first entry names a form or function")
        form, rest = expression[0], expression[1:]
        special = getattr(self, f"_{SPECIAL[form][0]}") if form in SPECIAL else None
        if special is not None:
            if len(rest) != SPECIAL[form][1]:
                raise BadCall(f"{form} takes {SPECIAL[form][1]} parts, not {len(rest)}")
            return special(form, rest, known, depth + 1)
        args = [self.value(each, known, depth + 1) for each in rest]
        return self._operate(form, args) if form in FORMS else self.call(form, args, depth)

    def weigh(self, result: Any) -> None:
        """A step for every value in the result: lists that hold a list twice are small inside, and large when told."""
        left = [(result, 0)]
        while left:
            value, depth = left.pop()
            self._spend(1)
            if isinstance(value, list):
                if depth > MOST_DEEP:
                    raise BadCall(f"the result nests deeper than {MOST_DEEP} lists; give a flatter one")
                self._spend(len(value))
                left += [(each, depth + 1) for each in value]

    def _variable(self, _: str, rest: list[Any], known: Values, depth: int) -> Any:  # noqa: ARG002
        if not isinstance(rest[0], str) or rest[0] not in known:
            raise BadCall(f"variable {rest[0]!r} is not known here")
        return known[rest[0]]

    def _let(self, _: str, rest: list[Any], known: Values, depth: int) -> Any:
        return self.value(rest[2], {**known, str(rest[0]): self.value(rest[1], known, depth)}, depth)

    def _if(self, _: str, rest: list[Any], known: Values, depth: int) -> Any:
        return self.value(rest[1] if self.value(rest[0], known, depth) else rest[2], known, depth)

    def _either(self, form: str, rest: list[Any], known: Values, depth: int) -> Any:
        first = self.value(rest[0], known, depth)
        return first if bool(first) == (form == "or") else self.value(rest[1], known, depth)

    def _each(self, form: str, rest: list[Any], known: Values, depth: int) -> list[Any]:
        given = self._list(rest[1], known, depth)
        made = [self.value(rest[2], {**known, str(rest[0]): each}, depth) for each in given]
        return made if form == "map" else [each for each, kept in zip(given, made, strict=True) if kept]

    def _fold(self, _: str, rest: list[Any], known: Values, depth: int) -> Any:
        total = self.value(rest[1], known, depth)
        for each in self._list(rest[3], known, depth):
            total = self.value(rest[4], {**known, str(rest[0]): total, str(rest[2]): each}, depth)
        return total

    def _list(self, expression: Any, known: Values, depth: int) -> list[Any]:
        given = self.value(expression, known, depth)
        if not isinstance(given, list):
            raise BadCall(f"{type(given).__name__} is no list; map, filter and fold go over lists")
        return given

    def _operate(self, form: str, args: list[Any]) -> Any:
        numbers = all(type(each) in (int, float) for each in args)
        if form in NUMERIC and not numbers:
            raise BadCall(f"{form} works on numbers")
        if form in ("=", "!=") and any(isinstance(each, list | dict) for each in args):
            raise BadCall(f"{form} compares numbers, strings, booleans and null; compare lists entry by entry")
        if form == "range" and numbers and args:
            self._spend(max(math.ceil(args[0]), 0))
        self._spend(sum(len(each) for each in args if isinstance(each, str | list)))
        try:
            made = {**NUMERIC, **ORDERED, **PLAIN}[form](*args)
        except (TypeError, ValueError, ArithmeticError, IndexError) as cause:
            raise BadCall(f"{form} of {len(args)} values: {cause}") from cause
        if type(made) is int and abs(made) > LARGEST:
            return float(made)
        if isinstance(made, complex) or (isinstance(made, float) and not math.isfinite(made)):
            raise BadCall(f"{form} leaves the real numbers")
        return made

    def _spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > self._most:
            raise OverGrant(f"the granted computing carries {self._most} steps and they are used up; grant more")


SPECIAL: Mapping[str, tuple[str, int]] = {
    "$": ("variable", 1),
    "let": ("let", 3),
    "if": ("if", 3),
    "map": ("each", 3),
    "filter": ("each", 3),
    "fold": ("fold", 5),
    "and": ("either", 2),
    "or": ("either", 2),
}


class CloudServer:
    def __init__(self) -> None:
        self._deployed: dict[str, dict[str, Deployed]] = {}
        self._lock = threading.Lock()

    def deploy(self, request: Request) -> Answer:
        name, functions = request.text("name"), _functions(request.part("functions"))
        size = len(json.dumps(request.params["functions"]))
        limit = request.granted("storage_mib", DEFAULT_STORAGE_MIB) << 20
        with self._lock:
            held = self._deployed.setdefault(request.tenant, {})
            others = sum(each.size for other, each in held.items() if other != name)
            if others + size > limit:
                raise OverGrant(f"{size} bytes do not fit beside {others} into the granted {limit}; grant storage_mib")
            held[name] = Deployed(functions, size)
        return json_answer({"name": name, "functions": sorted(functions), "bytes": size}, len(functions))

    def invoke(self, request: Request) -> Answer:
        name = request.text("name")
        with self._lock:
            deployed = self._deployed.get(request.tenant, {}).get(name)
        if deployed is None:
            raise NotThere(f"{name!r} is not deployed; deploy it first")
        most = request.granted("computing_mcores", DEFAULT_MCORES) * STEPS_PER_MCORE
        machine = Machine(deployed.functions, most)
        result = machine.call("main", request.listed("args", 0, MOST_PARAMS))
        machine.weigh(result)
        return json_answer({"result": result}, math.ceil(machine.steps / 1000), {"steps": machine.steps, "most": most})

    def listing(self, request: Request) -> Answer:
        with self._lock:
            held = self._deployed.get(request.tenant, {})
            return json_answer({"programs": {name: sorted(each.functions) for name, each in sorted(held.items())}})

    def forget(self, tenant: str) -> None:
        with self._lock:
            self._deployed.pop(tenant, None)


def _functions(given: Request) -> dict[str, Function]:
    if "main" not in given.params or len(given.params) > MOST_FUNCTIONS:
        raise BadCall(f"functions must hold `main` and be at most {MOST_FUNCTIONS}")
    if clash := given.params.keys() & set(FORMS):
        raise BadCall(f"functions: {', '.join(sorted(clash))} is a form already; choose another name")
    found = {}
    for name in given.params:
        function = given.part(name)
        params = function.listed("params", 0, MOST_PARAMS)
        if not all(isinstance(each, str) for each in params) or "body" not in function.params:
            raise BadCall(f"functions: {name} must have params, a list of names, and a body")
        found[name] = Function(tuple(params), function.params["body"])
    return found


def build() -> Program:
    server = CloudServer()
    calls = {"deploy": server.deploy, "invoke": server.invoke, "list": server.listing}
    return Program("cloud-server", calls, forget=server.forget)


if __name__ == "__main__":
    run(build())
