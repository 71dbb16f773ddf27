from collections import Counter
from pathlib import Path

import pytest

from trust.errors import PolicyBroken
from trust.keys import COMPONENTS
from trust.policy import Policy, shape
from trust.policy_page import page


def test_shipped_policy_covers_every_app() -> None:
    policy = Policy.load()
    apps = Counter(row.app for row in policy.rows)
    assert set(apps) == set(COMPONENTS) - {"operator"}
    assert all(policy.find(app, "GET", "/health") for app in apps if app != "marketplace")


def test_matrix_says_who_for_every_row() -> None:
    rows = Policy.load().matrix()
    assert len(rows) == len(Policy.load().rows)
    offers = next(row for row in rows if row["app"] == "mmf" and row["path"] == "/offers")
    assert offers == {"app": "mmf", "method": "POST", "path": "/offers", "who": "vmof", "scope": "offers.write"}
    assert all(row["who"] for row in rows)


def test_printed_page_is_the_policys() -> None:
    committed = Path(__file__).parents[2] / "docs" / "reference" / "policy.md"
    assert committed.read_text() == page(Policy.load()), "write it anew: s4m trust policy --markdown"


def test_only_vmof_negotiates_with_mmf() -> None:
    row = Policy.load().find("mmf", "POST", "/offers/{anything}/acceptance")
    assert row is not None
    assert row.callers == {"vmof"}
    assert not row.access


def test_templates_are_compared_without_parameter_names() -> None:
    assert shape("/a/{one}/b/{rest:path}") == "/a/{}/b/{:path}"
    policy = Policy.parse('[mmf]\n"GET /x/{a}" = { access = "public" }')
    assert policy.find("mmf", "GET", "/x/{other}") is not None
    assert policy.find("mmf", "POST", "/x/{a}") is None
    assert policy.find("vmof", "GET", "/x/{a}") is None
    assert policy.find("mmf", "GET", "/x/{a:path}") is None


def test_scopes_are_the_least_that_a_component_needs() -> None:
    policy = Policy.load()
    reserving = {"reservations.read", "reservations.write", "supplies.read", "supplies.write", "payments.write"}
    assert policy.scopes("mmf", "orchestrator") == {
        "models.read", "models.write", "offers.read", "pool.read", "repacks.read", "top.read",
    } | reserving  # fmt: skip
    assert policy.scopes("mmf", "marketplace") == frozenset()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[mmf", "not TOML"),
        ('[elsewhere]\n"GET /x" = { access = "public" }', "no such app"),
        ('[mmf]\n"FETCH /x" = { access = "public" }', "no such method"),
        ('[mmf]\n"GET x" = { access = "public" }', "does not start"),
        ('[mmf]\n"GET /x" = {}', "nobody may call it"),
        ('[mmf]\n"GET /x" = { callers = ["stranger"], scope = "x" }', "no such component"),
        ('[mmf]\n"GET /x" = { callers = ["vmof"] }', "name a scope"),
        ('[mmf]\n"GET /x" = { access = "everybody" }', "no such access"),
        ('[mmf]\n"GET /x" = { access = "session" }', "subscriptionId"),
        ('[mmf]\n"GET /x" = { access = "public", allow = true }', "unknown fields"),
        ('[mmf]\n"GET /x/{a}" = { access = "public" }\n"GET /x/{b}" = { access = "public" }', "Two rows"),
    ],
)
def test_malformed_policy_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(PolicyBroken, match=why):
        Policy.from_file(path)
