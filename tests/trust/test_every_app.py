"""No unguarded route exists: every route of every real app is walked, and those that need credentials are called."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.contracts import Contracts
from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.sender import Sender
from trust.enrol import enrol_components
from trust.keys import COMPONENTS, ComponentIdentity
from trust.policy import Policy

WALK = Path(__file__).with_name("trust_every_app.py")
Found = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def found(
    tmp_path_factory: pytest.TempPathFactory,
    devnet: Devnet,
    contracts: Contracts,
    sender_of: Callable[[WalletKey], Sender],
) -> Found:
    home = tmp_path_factory.mktemp("home")
    accounts = home / "keys" / "accounts"
    operator = WalletKey.load_or_create(accounts / "operator.json")
    WalletKey.load_or_create(accounts / "relayer.json")
    WalletKey.load_or_create(accounts / "meter.json")
    keys = [ComponentIdentity.load_or_create(home / "keys" / f"{name}.json", name) for name in COMPONENTS]
    enrol_components(contracts, sender_of(operator), keys)
    contracts.deployment.save(home)
    devnet.mine(3)
    command = [sys.executable, str(WALK), str(home), devnet.rpc_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    answer: Found = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_every_app_has_its_gate_outermost_and_no_unguarded_route(found: Found) -> None:
    assert set(found) == {"marketplace", "orchestrator", "gateway"}
    assert {name: walk["unguarded"] for name, walk in found.items()} == {name: [] for name in found}


def test_every_route_that_needs_credentials_refuses_a_stranger(found: Found) -> None:
    refused = {route: code for walk in found.values() for route, code in walk["refused"].items()}
    assert len(refused) >= 25
    assert set(refused.values()) <= {"token_missing", "proof_invalid", "not_allowed"}, refused


def test_no_route_is_dead_for_want_of_a_row(found: Found) -> None:
    assert {name: walk["unlisted"] for name, walk in found.items()} == {name: [] for name in found}


def test_no_row_of_the_policy_names_a_route_that_does_not_exist(found: Found) -> None:
    existing = {row for walk in found.values() for row in walk["rows"]}
    named = {f"{row.app} {row.method} {row.path}" for row in Policy.load().rows if row.method != "MOUNT"}
    assert named - existing == set()


def test_only_these_routes_answer_without_a_token(found: Found) -> None:
    """Whoever opens a route to everybody has to say so here too."""
    assert {route for walk in found.values() for route in walk["open"]} == {
        f"{row.app} {row.method} {row.path}"
        for row in Policy.load().rows
        if row.access & {"public", "signed"} and row.method != "MOUNT"  # a folder of static files
    }
    opened = [row for row in Policy.load().rows if row.access & {"public", "signed"} and row.app != "marketplace"]
    assert {(row.app, row.method, row.path) for row in opened} == {
        ("orchestrator", "GET", "/health"),
        ("orchestrator", "GET", "/supply"),
        ("orchestrator", "POST", "/supply/offers"),
        ("orchestrator", "POST", "/supply/withdrawals"),
        ("msmf", "GET", "/health"),
        ("vmof", "GET", "/health"),
        ("mmf", "GET", "/health"),
        ("gateway", "GET", "/health"),
        ("gateway", "GET", "/openapi.json"),
        ("gateway", "POST", "/sessions"),
        ("gateway", "POST", "/pass-sessions"),
        ("gateway", "POST", "/passes/{subscriptionId}/revocations"),
        ("gateway", "GET", "/usage/{subscriptionId}/log"),
        ("gateway", "POST", "/usage/{subscriptionId}/erasure"),
    }
