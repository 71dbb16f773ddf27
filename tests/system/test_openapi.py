"""Every OpenAPI document of the house, held to by schemathesis: no 5xx, no undocumented answer, bodies as described."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from described import APPS, Described, Person
from hypothesis import HealthCheck, Phase, settings

from marketplace.wallet.keystore import WalletStore
from s4m.main import cli
from s4m.supervisor import House
from trust.keys import ProofKey
from trust.policy import TOKENED, Policy

PASSWORD = "correct horse"
FEW, MANY = 2, 300
"""Examples of each operation, well-formed and again as many broken: `make test`, `make soak`."""

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
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
        described.examine(operation, None, 1, broken=False)
        if row.callers or row.access & TOKENED:
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


@pytest.mark.soak
def test_many_answers_are_as_described(described: Described) -> None:
    for operation in described.operations:
        described.examine(operation, described.rightful(operation), MANY)


@pytest.mark.soak
def test_chains_of_calls_are_answered_as_described(described: Described) -> None:
    chains = settings(
        max_examples=100,
        stateful_step_count=6,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    described.machine().run(settings=chains)
