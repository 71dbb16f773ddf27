"""What a running house shows to whoever calls it or looks at it.

Every OpenAPI document is held to by schemathesis: no 5xx, no undocumented answer, bodies as described. And no secret
stands in a command line, an environment, a log, a table or a core.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from click.testing import CliRunner
from described import APPS, Described, Person, address_of

from marketplace.wallet.keystore import WalletStore
from s4m.main import cli
from s4m.supervisor import House
from trust.auth import GateAuth
from trust.keys import ProofKey
from trust.policy import TOKENED, Policy

PASSWORD = "correct horse"
FEW, MANY = 1, 300
"""Examples of each operation, well-formed and again as many broken: `make test`, `make soak`."""

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("S4M_WALLET_PASSWORD", PASSWORD)  # as for a command that opens a wallet
        with House.start(tmp_path_factory.mktemp("described"), port_base=0) as running:
            yield running


@pytest.fixture(scope="module")
def person(house: House) -> Person:
    run(house.home, "wallet", "create", "ada")
    run(house.home, "wallet", "fund", "ada")
    bought = json.loads(run(house.home, "buy", "data-management", "--wallet", "ada", "--yes"))
    store = WalletStore(house.home, 1_024)
    subscription = str(bought["subscriptionId"])
    return Person(subscription, store.open("ada", PASSWORD), store.session(int(subscription)), ProofKey.generate())


@pytest.fixture(scope="module", params=APPS)
def described(request: pytest.FixtureRequest, house: House, person: Person) -> Iterator[Described]:
    app = Described(house, request.param, person)
    yield app
    app.close()


def run(home: Path, *words: str) -> str:
    environment = {"S4M_WALLET_PASSWORD": PASSWORD, "S4M_SCRYPT_N": "1024"}
    done = CliRunner().invoke(cli, [*words, "--home", str(home), "--json"], env=environment)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_every_answer_to_rightful_callers_is_as_described(described: Described) -> None:
    for operation in described.operations:
        described.examine(operation, described.rightful(operation), FEW)


def test_strangers_get_described_refusals_and_nothing_else(described: Described) -> None:
    for operation in described.operations:
        row = described.row(operation)
        if row.callers or row.access & TOKENED or row.proof:  # of all others everybody is a rightful caller
            described.examine(operation, None, 1, broken=False)
            assert "401" in operation.definition.raw["responses"], operation.label


def test_every_call_of_the_policy_is_described(described: Described) -> None:
    """Pages and their parts are for people; the document itself is no part of itself."""
    found = {(each.method.upper(), each.path.count("/"), each.path.split("{")[0]) for each in described.operations}
    listed = {
        (row.method, row.path.count("/"), row.path.split("{")[0])
        for row in Policy.load().rows
        if row.app == described.app and row.method != "MOUNT" and not row.path.endswith("openapi.json")
        if row.app != "marketplace" or row.path.startswith("/api/v1")
    }
    assert listed == found


SIGNATURE = "0x" + "1b" * 65
UNBOUNDED = [
    ("gateway", "operator", "GET", f"/vouchers?since={2**70}", None),
    ("gateway", "", "POST", "/usage/7/erasure", {"subscriptionId": "7", "expires": 2**300, "signature": SIGNATURE}),
    ("gateway", "", "POST", f"/passes/{2**100}/revocations", {"passId": "0x" + "08" * 32, "signature": SIGNATURE}),
    ("msmf", "vmof", "POST", "/notices", {"notices": [{"kind": "msi.running", "subject": "m", "at": 10**30}]}),
    ("msmf", "orchestrator", "GET", f"/notices?since={2**70}", None),
    ("vmof", "orchestrator", "POST", "/instances", {"requirements": {
        "subscriptionId": "7", "planId": "1", "service": "s", "serviceType": "ar_vr", "scenario": "virtual_travelling",
        "isolation": 0, "users": 1, "qoe": {}, "roles": {}}}),
]  # fmt: skip


@pytest.mark.parametrize(("app", "caller", "method", "path", "body"), UNBOUNDED, ids=[each[3] for each in UNBOUNDED])
def test_numbers_beyond_all_bounds_are_malformed(
    house: House, app: str, caller: str, method: str, path: str, body: Any
) -> None:
    """Each of them once ended in a 500."""
    auth = GateAuth(house.keys.component(caller), app) if caller else None
    url = address_of(house, app) + path
    answer = httpx.request(method, url, json=body, auth=auth, headers={"Idempotency-Key": path}, trust_env=False)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), answer.text


def test_body_that_is_no_text_is_a_problem(house: House) -> None:
    url, headers = f"{house.urls.marketplace}/api/v1/quotes", {"Content-Type": "application/json"}
    answer = httpx.post(url, content=b"\xff", headers=headers, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_input")


def test_no_secret_is_on_a_command_line_or_in_an_environment(house: House, person: Person) -> None:
    shown = {process: (process.cmdline(), process.environ()) for process in programs(house)}
    assert len(shown) > 4  # sandboxes too
    for words, variables in shown.values():
        told = " ".join((*words, *variables.values())).encode()
        assert [name for name, secret in secrets_of(house, person).items() if secret in told] == []


def test_no_secret_is_in_a_log_a_journal_or_a_table(house: House, person: Person) -> None:
    files = [path for path in house.home.rglob("*") if path.is_file() and not is_key_file(house, path)]
    assert {"marketplace.log", "gateway.jsonl", "engine.db", "market.db", "usage.db"} <= {path.name for path in files}
    found = [
        (name, path.name)
        for path in files
        for name, secret in secrets_of(house, person).items()
        if secret in path.read_bytes()
    ]
    assert found == []


def test_no_program_that_holds_keys_leaves_a_core(house: House, person: Person) -> None:
    for name, pid in house.pids.items():
        assert name == "chain" or psutil.Process(pid).rlimit(psutil.RLIMIT_CORE) == (0, 0), name


def programs(house: House) -> list[psutil.Process]:
    """The chain, the three programs, and all sandboxes that they started."""
    own = [psutil.Process(pid) for pid in house.pids.values()]
    return [*own, *(child for each in own for child in each.children(recursive=True))]


def secrets_of(house: House, person: Person) -> dict[str, bytes]:
    """Name → the secret as it would be written: every key of the home, the buyer's, and the password."""
    found = {"password": PASSWORD.encode()}
    found |= {f"{key.address}": key.secret.hex().encode() for key in (person.wallet, person.session_key)}
    for path in (house.home / "keys").rglob("*.json"):
        document = json.loads(path.read_text())
        secret = document.get("d") or document["privateKey"].removeprefix("0x")
        found[path.name] = secret.encode()
    return found


def is_key_file(house: House, path: Path) -> bool:
    """What keeps keys, for its owner alone."""
    kept = path.is_relative_to(house.home / "keys") or path.is_relative_to(house.home / "wallets")
    return kept and path.stat().st_mode & 0o077 == 0


@pytest.mark.soak
def test_many_answers_are_as_described(described: Described) -> None:
    for operation in described.operations:
        described.examine(operation, described.rightful(operation), MANY)


@pytest.mark.soak
def test_chains_of_calls_are_answered_as_described(described: Described) -> None:
    assert described.examine_chains(100) >= 50
