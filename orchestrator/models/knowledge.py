"""Knowledge: facts about the things of a service, rules that make more of them, and questions.

learn  {"facts": [[subject, predicate, object], …], "source"}
rule   {"name", "if": [[…patterns…]], "then": [subject, predicate, object]}   ?words are variables
ask    {"where": [[…patterns…]], "filter": [["?v", "<"|"<="|">"|">="|"!=", value], …], "select": ["?v", …], "limit"}
why    {"fact": [s, p, o]}                                                    which rule and facts it follows from
Facts that follow are found when they are asked for (forward chaining, each rule only over what is new), in as many
steps as the granted computing carries (200 matches a millicore): `complete` says whether that was enough, and asking
again goes on; the question itself may try as many once more. Facts live in the granted `storage_mib`. Each tenant has a
base of its own. Quantity: facts learnt, answers.
"""

import operator
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from orchestrator.models.errors import BadCall, NotThere, OverGrant
from orchestrator.models.serving import Answer, Program, Request, json_answer, run, shown

Term = str | int | float
Fact = tuple[Term, Term, Term]
Binding = Mapping[str, Term]
DEFAULT_MCORES, DEFAULT_STORAGE_MIB = 40, 4
MATCHES_PER_MCORE = 200
FACT_BYTES = 512
"""What a fact is counted at: itself, its places in two indexes, and where it comes from."""
MOST_FACTS, MOST_PATTERNS, MOST_RULES, MOST_ANSWERS = 1000, 8, 64, 1000
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class Rule:
    name: str
    body: tuple[Fact, ...]
    head: Fact


@dataclass
class Effort:
    """How many matches may still be tried."""

    most: int
    used: int = 0

    def spend(self) -> bool:
        self.used += 1
        return self.used <= self.most

    @property
    def spent(self) -> bool:
        return self.used > self.most


@dataclass
class Base:
    """One tenant's facts, with where each comes from: a source, or a rule and the facts that it matched."""

    facts: dict[Fact, tuple[str, tuple[Fact, ...]]] = field(default_factory=dict)
    by_predicate: defaultdict[Term, dict[Fact, None]] = field(default_factory=lambda: defaultdict(dict))
    by_end: defaultdict[tuple[Term, Term], dict[Fact, None]] = field(default_factory=lambda: defaultdict(dict))
    rules: dict[str, Rule] = field(default_factory=dict)
    fresh: deque[Fact] = field(default_factory=deque)
    """facts that the rules have not yet seen"""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fact: Fact, why: tuple[str, tuple[Fact, ...]], most: int) -> bool:
        if fact in self.facts:
            return False
        if len(self.facts) >= most:
            raise OverGrant(f"the granted storage_mib hold {most} facts and are full; grant more")
        self.facts[fact] = why
        self.by_predicate[fact[1]][fact] = None
        for end in {fact[0], fact[2]}:
            self.by_end[end, fact[1]][fact] = None
        self.fresh.append(fact)
        return True

    def candidates(self, pattern: Fact, known: Binding) -> Iterator[Fact]:
        """Facts that may match, by the most exact index there is."""
        subject, predicate, object_ = (known.get(str(term), term) if _free(term) else term for term in pattern)
        if _free(predicate):
            yield from list(self.facts)
        elif not _free(subject) or not _free(object_):
            yield from list(self.by_end.get((object_ if _free(subject) else subject, predicate), ()))
        else:
            yield from list(self.by_predicate.get(predicate, ()))

    def match(self, patterns: tuple[Fact, ...], known: Binding, effort: Effort) -> Iterator[Binding]:
        """Every way to make all patterns facts at once."""
        if not patterns:
            yield known
            return
        for fact in self.candidates(patterns[0], known):
            if not effort.spend():
                return
            bound = unify(patterns[0], fact, known)
            if bound is not None:
                yield from self.match(patterns[1:], bound, effort)

    def conclude(self, effort: Effort, most: int) -> bool:
        """Runs the rules over what is new until nothing is, or effort ends: then what was at work stays new."""
        while self.fresh:
            fact = self.fresh[0]
            for rule in self.rules.values():
                for place, pattern in enumerate(rule.body):
                    bound = unify(pattern, fact, {})
                    others = rule.body[:place] + rule.body[place + 1 :]
                    for found in self.match(others, bound, effort) if bound is not None else ():
                        because = tuple(_filled(each, found) for each in rule.body)
                        self.add(_filled(rule.head, found), (rule.name, because), most)
                    if effort.spent:
                        return False
            self.fresh.popleft()
        return True


class Knowledge:
    def __init__(self) -> None:
        self._bases: dict[str, Base] = {}
        self._lock = threading.Lock()

    def learn(self, request: Request) -> Answer:
        facts = [_fact(each, variables=False) for each in request.listed("facts", 1, MOST_FACTS)]
        source, most = request.text("source", "told"), _most(request)
        with self._of(request) as base:
            fresh = [fact for fact in dict.fromkeys(facts) if fact not in base.facts]
            if len(base.facts) + len(fresh) > most:
                raise OverGrant(f"{len(fresh)} facts do not fit beside {len(base.facts)} where {most} are granted")
            added = sum(base.add(fact, (source, ()), most) for fact in fresh)
            return json_answer({"added": added, "facts": len(base.facts)}, len(facts))

    def rule(self, request: Request) -> Answer:
        body = _patterns(request, "if")
        rule = Rule(request.text("name"), body, _fact(request.params.get("then"), variables=True))
        unbound = _variables((rule.head,)) - _variables(body)
        if unbound:
            raise BadCall(f"then: {', '.join(sorted(unbound))} is not in `if`; a rule cannot make up things")
        with self._of(request) as base:
            if rule.name not in base.rules and len(base.rules) >= MOST_RULES:
                raise OverGrant(f"{MOST_RULES} rules are the most of one base")
            base.rules[rule.name] = rule
            base.fresh = deque(base.facts)
            return json_answer({"rule": rule.name, "rules": len(base.rules)})

    def ask(self, request: Request) -> Answer:
        where, limit = _patterns(request, "where"), request.integer("limit", 100, 1, MOST_ANSWERS)
        filters = [_filter(each, where) for each in request.listed("filter", 0, MOST_PATTERNS)]
        names = request.listed("select", 0, 16) or sorted(_variables(where))
        if not all(isinstance(name, str) and name in _variables(where) for name in names):
            raise BadCall("select must name variables of where")
        most = max(request.granted("computing_mcores", DEFAULT_MCORES), 1) * MATCHES_PER_MCORE
        inference, effort = Effort(most), Effort(most)
        answers: dict[tuple[Term, ...], None] = {}
        with self._of(request) as base:
            complete = base.conclude(inference, _most(request))
            for found in base.match(where, {}, effort):
                if all(_holds(found[name], test, value) for name, test, value in filters):
                    answers[tuple(found[name] for name in names)] = None
                if len(answers) > limit:
                    break
            facts = len(base.facts)
        rows = [dict(zip(names, each, strict=True)) for each in answers][:limit]
        value = {"answers": rows, "complete": complete and not effort.spent, "more": len(answers) > limit}
        return json_answer(value, max(len(rows), 1), {"matches": inference.used + effort.used, "facts": facts})

    def why(self, request: Request) -> Answer:
        fact = _fact(request.params.get("fact"), variables=False)
        with self._of(request) as base:
            if fact not in base.facts:
                raise NotThere(f"{list(fact)} is not known; ask first, so that what follows is found")
            rule, because = base.facts[fact]
        return json_answer({"fact": fact, "from": rule, "because": because})

    def forget(self, tenant: str) -> None:
        with self._lock:
            self._bases.pop(tenant, None)

    @contextmanager
    def _of(self, request: Request) -> Iterator[Base]:
        """The tenant's base, held while one call works on it."""
        with self._lock:
            base = self._bases.setdefault(request.tenant, Base())
        with base.lock:
            yield base


def unify(pattern: Fact, fact: Fact, known: Binding) -> Binding | None:
    """What the variables must stand for so that the pattern is the fact; None where it cannot be."""
    bound = dict(known)
    for want, term in zip(pattern, fact, strict=True):
        if not _free(want):
            if want != term:
                return None
        elif bound.setdefault(str(want), term) != term:
            return None
    return bound


def _free(term: Term) -> bool:
    return isinstance(term, str) and term.startswith("?")


def _filled(pattern: Fact, bound: Binding) -> Fact:
    s, p, o = (bound[str(term)] if _free(term) else term for term in pattern)
    return s, p, o


def _variables(patterns: tuple[Fact, ...]) -> set[str]:
    return {str(term) for pattern in patterns for term in pattern if _free(term)}


def _holds(term: Term, test: Callable[[Any, Any], bool], value: Term) -> bool:
    return isinstance(term, str) == isinstance(value, str) and test(term, value)


def _most(request: Request) -> int:
    return (request.granted("storage_mib", DEFAULT_STORAGE_MIB) << 20) // FACT_BYTES


def _patterns(request: Request, name: str) -> tuple[Fact, ...]:
    return tuple(_fact(each, variables=True) for each in request.listed(name, 1, MOST_PATTERNS))


def _fact(value: Any, variables: bool) -> Fact:
    if not isinstance(value, list) or len(value) != 3:
        raise BadCall(f"{shown(value)} is no fact; give [subject, predicate, object]")
    for term in value:
        if type(term) not in (str, int, float) or (isinstance(term, str) and not 0 < len(term) <= 128):
            raise BadCall(f"{shown(term)} is no term; give a number or a string of 1 to 128 characters")
        if _free(term) and not variables:
            raise BadCall(f"{shown(term)} is a variable; a fact has none")
    return value[0], value[1], value[2]


def _filter(value: Any, where: tuple[Fact, ...]) -> tuple[str, Callable[[Any, Any], bool], Term]:
    known = _variables(where)
    if not isinstance(value, list) or len(value) != 3 or value[0] not in list(known) or value[1] not in list(OPERATORS):
        raise BadCall(f"{shown(value)} is no filter; give [a variable of where, one of {' '.join(OPERATORS)}, value]")
    if type(value[2]) not in (str, int, float):
        raise BadCall(f"filter compares with {shown(value[2])}; give a number or a string")
    return value[0], OPERATORS[value[1]], value[2]


def build() -> Program:
    known = Knowledge()
    calls = {"learn": known.learn, "rule": known.rule, "ask": known.ask, "why": known.why}
    return Program("knowledge", calls, forget=known.forget)


if __name__ == "__main__":
    run(build())
