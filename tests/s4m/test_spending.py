"""What spends shows its cost first, asks, and does nothing on a dry run; from purchase to release, on one house."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_runner import Run, runner

from ledger.signer import RemoteSigner
from ledger.values import ZERO_ADDRESS
from orchestrator.models.manifests import HERE
from s4m.supervisor import House
from scripts.record_purchase import on_the_page, recorded, without_stages

BEACH = "virtual-beach-travel"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House.start(tmp_path_factory.mktemp("house"), port_base=0) as running:
        yield running


@pytest.fixture(scope="module")
def run(house: House) -> Run:
    at_home = runner(house.home)
    assert at_home("wallet", "create", "anna").code == 0
    assert at_home("wallet", "fund", "anna").code == 0
    return at_home


@pytest.fixture(scope="module")
def subscription(run: Run) -> str:
    """Ordered, then awaited and taken over by a second command."""
    ordered = run("buy", BEACH, "--wallet", "anna", "--cap", "5000", "--yes", "--no-wait")
    assert (ordered.code, ordered.json["state"]) == (0, "ordered")
    identifier = str(ordered.json["subscriptionId"])
    delivered = run("subscriptions", "await", identifier)
    assert (delivered.code, delivered.json["state"]) == (0, "active"), delivered
    assert run("subscriptions", "await", identifier).json["state"] == "active"
    return identifier


def _money(run: Run) -> tuple[str, str, str]:
    told = run("wallet", "balance", "anna").json
    return told["wallet"], told["account"], told["gasWei"]


def test_a_dry_run_of_a_purchase_tells_total_and_gas_and_needs_no_key(run: Run, house: House) -> None:
    before = _money(run)
    address = run("wallet", "show", "anna").json["address"]
    told = run("buy", BEACH, "--wallet", "anna", "--cap", "100", "--dry-run", S4M_WALLET_PASSWORD="wrong").json
    assert (told["dryRun"], told["credits"], told["total"]) == (True, "1005000", "1.005000 MAAS")
    assert (told["gasPaidBy"], told["gasWei"]) == ("relayer", "0")
    assert int(told["gas"]) > 100_000
    run("wallet", "watch", "eyes", address)
    watched = run("buy", BEACH, "--wallet", "eyes", "--cap", "100", "--dry-run").json
    assert (watched["payer"], watched["credits"]) == (address, told["credits"])
    assert run("buy", BEACH, "--wallet", "eyes", "--cap", "100", "--yes").json["code"] == "watch_only"
    assert _money(run) == before
    assert house.contracts.market.account_of(address).nonce == 0


def test_a_purchase_that_cannot_be_paid_is_unpaid_before_anything_is_signed(run: Run) -> None:
    poor = run("wallet", "create", "poor").json["address"]
    assert poor
    for more in ((), ("--dry-run",)):
        answer = run("buy", BEACH, "--wallet", "poor", "--yes", *more)
        assert (answer.code, answer.json["code"]) == (4, "insufficient_funds"), answer


def test_a_signer_elsewhere_buys(run: Run, house: House) -> None:
    account = RemoteSigner(house.urls.chain, ZERO_ADDRESS).accounts()[0]
    run("wallet", "connect", "cold", house.urls.chain, "--address", account)
    run("wallet", "fund", "cold")
    bought = run("buy", "monitoring", "--wallet", "cold", "--cap", "100", "--yes").json
    assert bought["state"] == "active"
    assert house.contracts.market.subscription(int(bought["subscriptionId"])).buyer == account


def test_a_subscription_is_extended_at_the_plans_prices(run: Run, house: House, subscription: str) -> None:
    facts = house.contracts.market.subscription(int(subscription))
    words = ("subscriptions", "extend", subscription, "--wallet", "anna", "--units", "100", "--periods", "1")
    before = _money(run)
    told = run(*words, "--dry-run").json
    assert (told["credits"], told["gasPaidBy"]) == ("1005000", "payer")
    assert int(told["gasWeiAtMost"]) > int(told["gasWei"]) > 0
    refused = run(*words)
    assert (refused.code, refused.json["code"]) == (3, "not_confirmed")
    assert "spends 1.005000 MAAS; gas about" in refused.errors
    assert _money(run) == before
    assert run(*words, "--yes").json["paid"] == "1005000"
    after = house.contracts.market.subscription(int(subscription))
    assert after.cap == facts.cap + 100
    assert after.paid_through > facts.paid_through
    assert run("subscriptions", "extend", subscription, "--wallet", "anna", "--yes").json["code"] == "bad_input"


def test_publishing_is_rehearsed_to_the_ids_that_it_will_get(run: Run, house: House, tmp_path: Path) -> None:
    installed = json.loads((HERE / "manifests" / "monitoring.json").read_text())
    own = tmp_path / "own.json"
    own.write_text(json.dumps({**installed, "ask_bps": 321}))
    words = ("models", "publish", own, "--account", "provider-technology")
    count = house.contracts.catalog.model_count()
    told = run(*words, "--dry-run").json
    assert (told["modelId"], house.contracts.catalog.model_count()) == (str(count + 1), count)
    assert int(told["gas"]) > 200_000
    done = run(*words).json  # gas is free on a devnet: nothing to ask
    assert {name: told[name] for name in done} == done


def test_operators_commands_tell_what_they_would_do(run: Run, subscription: str) -> None:
    run("use", subscription, "weather")
    settled = run("settle", "--payout", "--dry-run").json
    assert settled["dryRun"] is True
    assert settled["vouchersWaiting"] >= 0
    paid = run("supply", "pay", "--dry-run").json
    assert (paid["credits"], paid["offers"]) == ("0", [])
    enrolled = run("trust", "enrol", "--dry-run").json
    assert enrolled["gas"] == "0"  # all stand already


def test_deploying_on_a_fresh_chain_is_told_first(tmp_path: Path, house: House) -> None:
    fresh = runner(tmp_path)
    told = fresh("deploy", "--dry-run", S4M_RPC_URL=house.urls.chain).json
    assert int(told["gas"]) > 5_000_000
    assert not (tmp_path / "deployments").exists()


def test_seen_plans_are_offered_on_tab(run: Run, house: House) -> None:
    plan = run("catalog", "list").json[0]["plans"][0]["planId"]
    assert plan in json.loads((house.home / "run" / "catalogue.json").read_text())["names"]


def test_a_release_is_foreseen_then_asked_then_done(run: Run, subscription: str) -> None:
    words = ("subscriptions", "release", subscription, "--wallet", "anna")
    told = run(*words, "--dry-run").json
    assert (told["state"], told["credits"]) == ("releasing", "0")
    refused = run(*words)
    assert (refused.code, refused.json["code"]) == (3, "not_confirmed")
    assert "It cannot be taken back." in refused.errors
    assert run(*words, "--yes").json["state"] == "releasing"
    early = run(*words, "--dry-run")
    assert early.code == 3, early


def test_the_quick_start_shows_what_a_purchase_shows(house: House) -> None:
    assert without_stages(recorded(house.home)) == without_stages(on_the_page())
