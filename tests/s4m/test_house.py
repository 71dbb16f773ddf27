"""Every command against a running house, and what the supervisor promises: restart, one house a home, nothing left."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from command_runner import ENVIRONMENT, Run, runner

from ledger.errors import PortTaken
from marketplace.wallet.client import MarketClient
from marketplace.wallet.keystore import WalletStore
from orchestrator.models.manifests import HERE, manifests, services
from orchestrator.models.pricing import degree_plans
from s4m.errors import HouseRunning
from s4m.supervisor import House

FRAME = json.dumps({"objects": [7], "view": {"x": 0, "y": 0, "yaw": 0, "t": 0}, "format": "jpeg", "quality": 80})


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House.start(tmp_path_factory.mktemp("house"), port_base=0) as running:
        yield running


@pytest.fixture
def run(house: House) -> Run:
    return runner(house.home)


@pytest.fixture(scope="module")
def subscription(house: House) -> str:
    """Bought, used, and settled by commands alone."""
    run = runner(house.home)
    assert run("wallet", "create", "anna").code == 0
    assert run("wallet", "fund", "anna").code == 0
    bought = run("buy", "virtual-beach-travel", "--wallet", "anna", "--yes")
    assert bought.code == 0, bought
    assert bought.json["state"] == "active"
    return str(bought.json["subscriptionId"])


def test_the_catalogue_is_for_sale(run: Run, house: House) -> None:
    models = run("catalog", "list").json
    assert sorted(model["name"] for model in models) == sorted([*manifests(), *services()])
    shown = run("catalog", "show", models[0]["modelId"]).json
    assert shown["spec"]["name"] == models[0]["name"]
    assert "virtual-beach-travel" in run("catalog", "list", as_json=False).text
    assert run("catalog", "show", "99").code == 2
    assert house.plan_of("ar-beach-guide") in {int(plan["planId"]) for model in models for plan in model["plans"]}


def test_each_degree_of_isolation_has_a_plan_at_the_rules_price(run: Run) -> None:
    beach = services()["virtual-beach-travel"]
    shown = run("catalog", "show", beach.name).json["isolation"]
    assert [int(line["degree"]) for line in shown] == [0, 1, 2]
    for line, due in zip(shown, degree_plans(beach), strict=True):
        assert (line["unitPrice"], line["periodPrice"]) == (str(due.plan.unit_price), str(due.plan.period_price))
    listed = next(line for line in run("catalog", "list").json if line["name"] == beach.name)
    assert sorted(plan["isolation"] for plan in listed["plans"]) == [0, 1, 2]
    platform = run("catalog", "show", "platform").json["isolation"]
    assert [line["degree"] for line in platform] == ["0"]  # a part of the pool is everybody's


def test_sample_of_buying_by_the_api_runs_as_it_is_written(run: Run, house: House) -> None:
    """docs/how-to/buy-by-api.md, with the names that a reader puts in."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "buy-by-api.md"
    sample = page.read_text("utf-8").split("```python\n")[1].split("```")[0]
    assert run("wallet", "create", "ada").code == 0
    assert run("wallet", "fund", "ada").code == 0
    document = {"schema": "s4m/request/2", "service": "virtual-beach-travel", "users": 1, "qoe": {"rate_mbps": 250}}
    names = {
        "rpc_url": house.urls.chain, "home": house.home, "url": house.urls.marketplace, "document": document,
        "ask": lambda: ENVIRONMENT["S4M_WALLET_PASSWORD"],
    }  # fmt: skip
    exec(compile(sample, str(page), "exec"), names)  # noqa: S102 — our own page
    bought = run("subscriptions", "show", str(names["bought"].subscription_id)).json  # type: ignore[attr-defined]
    assert (bought["chain"]["status"], bought["chain"]["cap"]) == ("active", "5000")


def test_the_house_tells_what_holds_its_instances(house: House) -> None:
    bounds = httpx.get(f"{house.urls.orchestrator}/health").json()["bounds"]
    assert set(bounds) == {"cpu", "memory", "processes", "disk", "network"}


def test_publishing_an_installed_manifest_again_changes_nothing(run: Run) -> None:
    manifest = Path(__file__).parents[2] / "orchestrator" / "models" / "manifests" / "monitoring.json"
    before = run("catalog", "list").json
    assert run("catalog", "publish", manifest, "--account", "provider-technology").json["name"] == "monitoring"
    assert run("catalog", "list").json == before


def test_buying_shows_the_cost_and_asks(run: Run, subscription: str) -> None:
    before = run("subscriptions", "list").json
    assert subscription in [row["subscriptionId"] for row in before]
    answer = run("buy", "virtual-beach-travel", "--wallet", "anna", "--cap", "100")
    assert (answer.code, answer.json["code"]) == (3, "not_confirmed")
    assert "reserves 1.005000 MAAS" in answer.errors
    assert run("subscriptions", "list").json == before


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (("no-such-service",), 2, "unknown_model"),
        (("virtual-beach-travel", "--cap", "900000000"), 4, "insufficient_funds"),
        (("virtual-beach-travel", "--wallet", "nobody"), 2, "unknown_wallet"),
        (("virtual-beach-travel", "--document", "/nowhere"), 2, "bad_input"),
    ],
)
def test_buying_in_vain(run: Run, subscription: str, words: tuple[str, ...], exit_code: int, code: str) -> None:
    answer = run("buy", "--wallet", "anna", "--yes", *words)
    assert (answer.code, answer.json["code"]) == (exit_code, code)
    assert len(run("subscriptions", "list", "--wallet", "anna").json) == 1


def test_a_wrong_password_opens_nothing(run: Run, subscription: str) -> None:
    answer = run("buy", "virtual-beach-travel", "--wallet", "anna", "--yes", S4M_WALLET_PASSWORD="wrong")
    assert (answer.code, answer.json["code"]) == (3, "wrong_password")


def test_use_settle_audit_and_take_home(run: Run, subscription: str, tmp_path: Path) -> None:
    frame, souvenir = tmp_path / "frame.jpg", tmp_path / "souvenir.png"
    assert run("use", subscription, "frame", "--params", FRAME, "--out", frame).json["units"] != "0"
    assert frame.read_bytes()[:2] == b"\xff\xd8"
    made = run(
        "use", subscription, "souvenir", "--params", '{"object":12,"seed":1,"size":96}', "--out", souvenir, "--mint"
    ).json
    asset = made["asset"]["assetId"]
    assert [row["assetId"] for row in run("assets", "list", "--wallet", "anna").json] == [asset]
    exported = tmp_path / "home.png"
    certificate = run("assets", "export", asset, souvenir, "--to", exported).json
    assert exported.read_bytes() == souvenir.read_bytes()
    assert certificate["contentHash"] == made["asset"]["contentHash"]
    assert run("assets", "export", asset, frame, "--to", exported).json["code"] == "bad_input"
    again = run("assets", "mint", frame, "--subscription", subscription, "--provenance", "0x" + "11" * 65)
    assert (again.code, again.json["code"]) == (3, "bad_provenance")

    settled = run("settle", "--payout").json
    assert [payout["to"] for payout in settled["payouts"]]
    report = run("audit", "--proofs", "all").json
    assert (report["ok"], report["records_checked"], report["proofs_checked_on_chain"]) == (True, 2, 2)
    assert min(report["signatures_checked"], report["table_rows_checked"]) > 0
    assert run("audit", "--money-only", "--evidence").json["blocks_checked"] > 0
    log = Path(made["log"])
    assert run("audit", "--log", log).json["records_checked"] == 2
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines[0]["record"]["units"] = "1"
    forged = tmp_path / "forged.jsonl"
    forged.write_text("\n".join(json.dumps(line) for line in lines))
    assert run("audit", "--log", forged, as_json=False).code == 7
    assert "units_differ" in {each["code"] for each in run("audit", "--log", forged).json["findings"]}
    assert run("subscriptions", "show", subscription).json["usage"]["units"] == made["signedUnits"]


def test_use_is_forgotten_on_its_users_word_and_stays_proven(run: Run, subscription: str) -> None:
    assert run("subscriptions", "forget", subscription).json["code"] == "not_confirmed"
    run("use", subscription, "frame", "--params", FRAME)
    forgotten = run("subscriptions", "forget", subscription, "--yes").json
    assert int(forgotten["recordsErased"]) > 0
    assert forgotten["requestKept"] is True
    again = run("subscriptions", "forget", subscription, "--yes").json
    assert again["recordsErased"] == 0
    assert run("subscriptions", "forget", "7", "--yes").code != 0
    run("settle")
    report = run("audit", "--proofs", "all").json
    assert (report["ok"], report["immersions_recomputed"]) == (True, 0)  # the operator's logs tell nothing of users
    own = Path(run("use", subscription, "frame", "--params", FRAME).json["log"])
    recomputed = run("audit", "--log", own).json
    assert recomputed["ok"]
    assert recomputed["immersions_recomputed"] >= 2  # the buyer's own file keeps what it was told


def test_a_provider_offers_capacity_and_takes_it_back(run: Run) -> None:
    models = {model["name"]: model["modelId"] for model in run("catalog", "list").json}
    amounts = '{"computing_mcores": 4000, "storage_mib": 512}'
    offered = run("supply", "offer", models["infrastructure"], "--amounts", amounts, "--cap", "5").json
    assert (offered["state"], offered["site"], offered["payCap"]) == ("standing", "site-1", "5000000")
    assert [one["offer"] for one in run("supply", "list").json] == [offered["offer"]]
    too_much = run("supply", "offer", models["infrastructure"], "--amounts", '{"computing_mcores": 4001}')
    assert (too_much.code, too_much.json["code"]) == (3, "bad_supply_offer")
    foreign = run("supply", "offer", models["infrastructure"], "--amounts", amounts, "--account", "provider-worlds")
    assert foreign.json["code"] == "not_the_owner"
    assert run("supply", "withdraw", offered["offer"], "--account", "deployer").json["code"] == "not_the_owner"
    assert run("supply", "withdraw", "00").json["code"] == "bad_input"
    assert run("supply", "withdraw", offered["offer"]).json["offer"]["state"] == "ended"
    assert run("supply", "pay", "--yes").json == {"paid": []}
    assert run("supply", "statement").json["offers"][0]["earned"] == "0"


def test_frame_of_a_plain_purchase_shows_the_beach(run: Run, subscription: str) -> None:
    shown = run("use", subscription, "frame").json
    assert len(shown["info"]["tiles"]) == 8
    assert shown["immersion"] > 0
    wrong = run("use", subscription, "frame", "--params", '{"objects": "all"}')
    assert (wrong.code, wrong.json["code"]) == (2, "malformed_request")


def test_a_single_model_is_bought_and_used_alone(run: Run, subscription: str) -> None:
    bought = run("buy", "monitoring", "--wallet", "anna", "--cap", "100", "--yes").json
    assert bought["state"] == "active"
    report = run("use", bought["subscriptionId"], "conditions", "--params", '{"t": 60}').json
    assert (report["units"], "weather" in report["body"]) == ("2", True)
    logs = [run("use", each, "weather" if each == subscription else "conditions").json["log"] for each in
            (subscription, bought["subscriptionId"])]  # fmt: skip
    assert run("settle").code == 0
    audited = run("audit", "--log", logs[0], "--log", logs[1], "--proofs", "all").json
    assert (audited["findings"], audited["subscriptions_checked"]) == ([], 2)


def test_a_dedicated_service_is_bought_at_its_own_price_which_is_shown_first(run: Run, subscription: str) -> None:
    due = degree_plans(services()["ar-beach-guide"])[2].plan
    wanted = ("buy", "ar-beach-guide", "--wallet", "anna", "--cap", "100", "--isolation", "2")
    asked = run(*wanted)
    assert (asked.code, asked.json["code"]) == (3, "not_confirmed")
    assert "isolation degree 2, dedicated" in asked.errors
    assert f"at most 100 units at 0.{due.unit_price:06d} MAAS" in asked.errors
    bought = run(*wanted, "--yes").json
    assert (bought["state"], bought["total"], bought["reused"]) == ("active", str(100 * due.unit_price), False)
    used = run("use", bought["subscriptionId"], "weather")
    assert used.code == 0, used
    assert run("settle").code == 0
    audited = run("audit", "--log", used.json["log"]).json
    assert audited["isolation"] == {bought["subscriptionId"]: 2}
    assert audited["ok"], audited


def test_a_degree_that_the_plan_does_not_sell_is_refused_before_and_after_the_purchase(
    run: Run, house: House, subscription: str
) -> None:
    plans = {line["degree"]: line["plan"] for line in run("catalog", "show", "monitoring").json["isolation"]}
    before = run("buy", plans["0"], "--wallet", "anna", "--isolation", "2", "--yes")
    assert (before.code, before.json["code"]) == (2, "bad_input")
    assert f"Buy plan {plans['2']}" in str(before.json)
    document = {"schema": "s4m/request/1", "service": "monitoring", "isolation": 2}
    store = WalletStore(house.home)
    with MarketClient(house.urls.marketplace, house.chain, house.contracts.deployment) as client:
        anna = store.open("anna", ENVIRONMENT["S4M_WALLET_PASSWORD"])
        bought = client.buy_only(anna, int(plans["0"]), document, 10, store=store)
        refused = client.follow(bought.subscription_id, ("refused",))
    assert refused["refusal"]["code"] == "isolation_mismatch"
    assert f"Buy plan {plans['2']}, which sells degree 2" in refused["refusal"]["detail"]


def test_a_digital_twin_is_bought_fed_by_its_sensors_and_asked(run: Run, subscription: str) -> None:
    bought = run("buy", "predictive-maintenance", "--wallet", "anna", "--cap", "100", "--periods", "0", "--yes").json
    assert bought["state"] == "active"
    own = bought["subscriptionId"]
    sensed = run("use", own, "sense", "--params", '{"name": "lathe", "t": 1.7e9, "seconds": 60, "rate_hz": 2}').json
    assert sensed["units"] == "5"
    observed = run("use", own, "synchronise", "--params", json.dumps({"object": "lathe", **sensed["body"]})).json
    assert (observed["units"], observed["body"]["age_s"]) == ("5", 0.0)
    now, late = (
        run("use", own, "state", "--params", json.dumps({"object": "lathe", "t": t})).json["body"]
        for t in (1.7e9 + 60, 1.7e9 + 90)
    )
    assert now["fidelity"] > 0.9 > late["fidelity"]
    refused = run("use", own, "state", "--params", '{"object": "mill"}')
    assert (refused.code, refused.json["code"]) == (2, "model_misses")
    audited = run("audit", "--log", sensed["log"], "--proofs", "all").json
    assert (audited["findings"], audited["records_checked"]) == ([], 4)


def test_an_own_model_is_checked_and_published(run: Run, tmp_path: Path) -> None:
    installed = json.loads((HERE / "manifests" / "monitoring.json").read_text())
    own = tmp_path / "own.json"
    own.write_text(json.dumps({**installed, "ask_bps": 777}))
    published = run("models", "publish", own, "--account", "provider-technology").json
    shown = run("catalog", "show", published["modelId"]).json
    assert shown["spec"]["ask_bps"] == 777
    assert run("models", "publish", own, "--account", "provider-technology").json == published


def test_trust_is_kept(run: Run, subscription: str) -> None:
    assert {row["journal"] for row in run("trust", "verify").json} >= {"marketplace.jsonl", "gateway.jsonl"}
    assert len(run("trust", "keys").json) == 7


def test_a_killed_program_is_back_on_its_port(house: House) -> None:
    for name in ("marketplace", "gateway"):
        dead = house.children[name].pid
        os.kill(dead, signal.SIGKILL)
        until = time.monotonic() + 1.0
        while house.children[name].pid == dead and time.monotonic() < until:
            time.sleep(0.02)
        assert house.children[name].pid != dead
    until = time.monotonic() + 30
    while time.monotonic() < until and not _healthy(house.urls.marketplace + "/api/v1/health"):
        time.sleep(0.1)
    assert _healthy(house.urls.marketplace + "/api/v1/health")
    services = json.loads((house.home / "run" / "services.json").read_text())
    assert services["marketplace"]["pid"] == house.children["marketplace"].pid


def _healthy(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def test_one_house_a_home_and_one_program_a_port(house: House, tmp_path: Path) -> None:
    with pytest.raises(HouseRunning):
        House.start(house.home, port_base=0)
    taken = int(house.urls.chain.rsplit(":", 1)[1])
    with pytest.raises(PortTaken):
        House.start(tmp_path, port_base=taken)


def test_claim_is_attested_disclosed_verified_and_taken_back_by_commands(run: Run, tmp_path: Path) -> None:
    for name in ("registry", "bob"):
        run("wallet", "create", name)
    run("wallet", "fund", "registry")
    issuer, bob = (run("wallet", "show", name).json["address"] for name in ("registry", "bob"))
    file, shown = tmp_path / "bob.claims", tmp_path / "for-the-bar"
    issue = ("identity", "issue", bob, "over18=yes", "country=at", "--wallet", "registry", "--out", file)
    assert run(*issue).json["claims"] == ["over18", "country"]
    assert file.stat().st_mode & 0o077 == 0
    assert run(*issue).json["code"] == "bad_input", "a holder's file is never overwritten"
    assert run("identity", "disclose", file, "over18", "--out", shown).code == 0
    assert "country" not in shown.read_text()
    assert run("identity", "disclose", file, "over21", "--out", tmp_path / "x").json["code"] == "bad_input"
    verify = ("identity", "verify", shown, bob, "--issuer", issuer)
    assert (run(*verify).json["holds"], run(*verify).json["value"]) == (True, "yes")
    assert run("identity", "verify", shown, issuer, "--issuer", issuer).json["code"] == "bad_input", "of another"
    assert run("identity", "verify", shown, bob, "--issuer", bob).json["code"] == "bad_input", "of another issuer"
    shown.write_text(shown.read_text().replace("yes", "no"))
    assert run(*verify).json["code"] == "bad_input", "altered"
    assert [row["state"] for row in run("identity", "list", bob).json] == ["attested", "attested"]
    assert run("identity", "revoke", bob, "over18", "--wallet", "registry").code == 0
    shown.write_text(shown.read_text().replace("no", "yes"))
    assert run(*verify).json["code"] == "bad_input", "taken back"
    assert sorted(row["state"] for row in run("identity", "list", bob).json) == ["attested", "revoked"]
    for bad in ("over18", "=yes", "Over=yes", "over18=" + "x" * 33):
        assert run("identity", "issue", bob, bad, "--wallet", "registry", "--out", tmp_path / "y").code == 2


def test_pass_is_granted_used_shown_and_revoked_by_commands(run: Run, subscription: str, tmp_path: Path) -> None:
    key, file = run("pass", "key").json["key"], tmp_path / "pass"
    bounds = ("--operation", "frame", "--units", "100", "--hours", "1")
    made = run("pass", "grant", subscription, "--to", key, *bounds, "--out", file).json
    assert [row["passId"] for row in run("pass", "show", file).json] == [made["passId"]]
    used = run("pass", "use", file, "frame", "--params", FRAME, "--out", tmp_path / "frame.jpg")
    assert used.code == 0, used
    assert (tmp_path / "frame.jpg").read_bytes().startswith(b"\xff\xd8")
    mine = next(row for row in run("pass", "show", subscription).json if row["passId"] == made["passId"])
    assert int(mine["spent"]) >= int(used.json["units"]) > 0
    wider = run("pass", "grant", file, "--to", key, "--operation", "frame", "--units", "101", "--out", tmp_path / "w")
    assert wider.json["code"] == "pass_refused"
    assert not (tmp_path / "w").exists()
    assert run("pass", "use", file, "souvenir").json["code"] == "pass_refused"
    assert run("use", subscription, "frame", "--params", FRAME).code == 0, "the buyer signs for both"
    assert run("pass", "revoke", subscription, made["passId"]).json["revoked"]
    assert run("pass", "use", file, "frame", "--params", FRAME).json["code"] == "pass_refused"
    assert run("pass", "use", tmp_path / "none", "frame").json["code"] == "malformed_input"
    assert run("pass", "revoke", subscription, "xyz").json["code"] == "bad_input"


def test_release_gives_time_back(run: Run, subscription: str) -> None:
    assert run("subscriptions", "release", subscription, "--wallet", "anna").json["code"] == "not_confirmed"
    released = run("subscriptions", "release", subscription, "--wallet", "anna", "--yes").json
    assert released["state"] == "releasing"
    assert int(released["timeRefunded"]) > 0
    assert run("use", subscription, "weather").code == 3
    assert run("audit").json["ok"] is True


def test_stopping_leaves_nothing_behind(house: House) -> None:
    pids = list(house.pids.values())
    house.stop()
    house.stop()
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert not _processes_of(house.home)
    assert not (house.home / "run" / "services.json").exists()


def _processes_of(home: Path) -> list[list[str]]:
    lines = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if any(str(home) in part for part in line):
            lines.append(line)
    return lines


def test_the_same_home_goes_on_where_it_stopped(house: House, subscription: str) -> None:
    house.stop()
    with House.start(house.home, port_base=0) as again:
        assert again.deployment == house.deployment
        assert again.listings == house.listings
        found = runner(again.home)("subscriptions", "list").json
        assert subscription in [row["subscriptionId"] for row in found]
        dead = again.devnet.pid
        assert dead is not None
        os.kill(dead, signal.SIGKILL)
        until = time.monotonic() + 10
        while again.devnet.pid == dead and time.monotonic() < until:
            time.sleep(0.05)
        assert again.devnet.pid != dead
        assert again.contracts.market.subscription(int(subscription)).buyer
    assert not _processes_of(house.home)
