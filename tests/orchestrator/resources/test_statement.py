"""What is due to a supplier: the split among suppliers of one site, exact over any history."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.resources import ResourceVector
from orchestrator.resources.statement import HOUR_MS, Change, charge, usage


def mcores(amount: int) -> ResourceVector:
    return ResourceVector(computing_mcores=amount)


def test_each_supplier_is_used_in_proportion_of_what_it_gives() -> None:
    changes = [
        Change(0, "supply", "house", mcores(300)),
        Change(0, "supply", "offer/1", mcores(100)),
        Change(1000, "allocation", "a", mcores(200)),
        Change(3000, "supply", "offer/1", mcores(-100)),
        Change(4000, "allocation", "a", mcores(-200)),
    ]
    assert usage(changes, "offer/1", 10_000) == {"computing_mcores": 50 * 2000}
    assert usage(changes, "house", 10_000) == {"computing_mcores": 150 * 2000 + 200 * 1000}
    assert usage(changes, "offer/1", 1500) == {"computing_mcores": 50 * 500}


def test_money_is_rounded_down_once_and_capped() -> None:
    used = {"computing_mcores": Fraction(HOUR_MS, 2), "storage_mib": Fraction(HOUR_MS, 3)}
    assert charge(used, {"computing_mcores": 3, "storage_mib": 4}, 10**9) == 2  # 1.5 + 1.33…
    assert charge(used, {"computing_mcores": 3000}, 99) == 99
    assert charge(used, {}, 99) == 0


@st.composite
def histories(draw: st.DrawFn) -> list[Change]:
    """Changes that keep to what is there, times never falling by much (a clock may be put back)."""
    at, supplied, used = 0, {"s1": 0, "s2": 0}, 0
    changes: list[Change] = []
    for number in range(draw(st.integers(1, 12))):
        at = max(at + draw(st.integers(-2, 9)), 0)
        who = draw(st.sampled_from(["s1", "s2", "use"]))
        if who == "use":
            amount = draw(st.integers(0, sum(supplied.values())))
            changes.append(Change(at, "allocation", f"a{number}", mcores(amount - used)))
            used = amount
        else:
            amount = draw(st.integers(max(used - (sum(supplied.values()) - supplied[who]), 0), 50))
            changes.append(Change(at, "supply", who, mcores(amount - supplied[who])))
            supplied[who] = amount
    return changes


@given(histories(), st.integers(0, 120))
@settings(deadline=None, max_examples=200)
def test_the_suppliers_shares_are_what_was_used_moment_by_moment(changes: list[Change], until: int) -> None:
    moments = []
    latest = 0
    for change in changes:
        latest = max(latest, change.at_ms)
        moments.append((latest, change))
    expected = {"s1": Fraction(), "s2": Fraction()}
    whole = 0
    for now in range(until):
        seen = [change for at, change in moments if at <= now]
        gives = {
            name: sum(c.amounts.computing_mcores for c in seen if c.kind == "supply" and c.subject == name)
            for name in expected
        }
        taken = sum(c.amounts.computing_mcores for c in seen if c.kind == "allocation")
        whole += taken
        for name, amount in gives.items():
            if taken:
                expected[name] += Fraction(taken * amount, sum(gives.values()))
    found = {name: usage(changes, name, until).get("computing_mcores", Fraction()) for name in expected}
    assert found == expected
    assert sum(found.values()) == whole
