"""What a running house tells of itself: explanations of an accepted and a refused request, and the live view.

The house stands on PostgreSQL where there is one, else on SQLite as the other modules' houses do.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
import rfc8785
import sqlalchemy as sa
from command_runner import Answer, Run, runner

from ledger.values import SubscriptionId, model_of, plan_of, to_hex
from marketplace.wallet.client import MarketClient
from s4m.accounts import ACCOUNTS
from s4m.supervisor import House
from scripts.private_postgresql import PrivatePostgresql
from storage import database_url
from tests.webhook_receiver import Receiver
from trust.gate import GateAuth


@pytest.fixture(scope="module")
def databases(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of two empty databases; none where this machine has no PostgreSQL."""
    try:
        postgresql: PrivatePostgresql = request.getfixturevalue("postgresql")
    except pytest.skip.Exception:
        return {}
    return {"S4M_DATABASE": postgresql.create(), "S4M_MARKETPLACE_DATABASE": postgresql.create()}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, databases: dict[str, str]) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("S4M_WEBHOOK_LOOPBACK", "true")
        with House.start(tmp_path_factory.mktemp("house"), port_base=0, environment=databases) as running:
            yield running


@pytest.fixture
def run(house: House, databases: dict[str, str]) -> Run:
    return runner(house.home, **databases)


@pytest.fixture(scope="module")
def subscription(house: House, databases: dict[str, str]) -> str:
    run = runner(house.home, **databases)
    assert run("wallet", "create", "eva").code == 0
    assert run("wallet", "fund", "eva").code == 0
    bought = run("buy", "monitoring", "--wallet", "eva", "--cap", "100", "--yes")
    assert bought.code == 0, bought
    return str(bought.json["subscriptionId"])


def test_an_accepted_request_is_explained(run: Run, subscription: str) -> None:
    told = run("explain", subscription).json
    assert told["state"] == "active"
    assert told["requirements"]["service"] == "monitoring"
    assert (told["decision"]["msiVerdict"], told["decision"]["models"]["gap"]) == ("create", 0.0)
    assert [offer["state"] for offer in told["offers"]] == ["accepted"]
    assert {"final", "stepI", "running", "active"} <= set(told["times"])
    moved = [(move["kind"], move["before"], move["after"]) for move in told["moves"]]
    assert moved[:2] == [("msi", "", "preparation"), ("msi", "preparation", "planning")]
    assert {("msi", "planning", "running"), ("share", "planning", "running")} <= set(moved)
    page = run("explain", subscription, as_json=False).text
    for words in (
        "Step I",
        "Step II",
        "Step III",
        "create monitoring-",
        "reliability 0.99995, asked for 0.99",
        "availability 0.99995",
        "gap 0.00 % (proven best)",
        "Offers",
        "Moves",
        "its models run",
        "Times: final",
    ):
        assert words in page, page


def test_a_refused_request_is_explained_with_what_would_do(run: Run, subscription: str, tmp_path: Path) -> None:
    document = tmp_path / "request.json"
    qoe = {"latency_ms": 0.01, "reliability": 1}
    document.write_text(json.dumps({"schema": "s4m/request/1", "service": "monitoring", "qoe": qoe}))
    bought = run("buy", "monitoring", "--wallet", "eva", "--cap", "50", "--yes", "--document", document)
    assert (bought.code, bought.json["code"]) == (3, "service_refused")
    refused = next(row["subscriptionId"] for row in run("subscriptions", "list").json if row["cap"] == "50")
    told = run("explain", refused).json
    assert (told["state"], told["refusal"]["code"]) == ("refused", "infeasible")
    quicker, steadier = told["feasibleIf"]
    assert (quicker[:16], steadier[:32]) == ("ask for at most ", "ask for a reliability of at most")
    page = run("explain", refused, as_json=False).text
    assert "would do: ask for at most" in page
    assert "latency latency_ms: needs" in page
    assert "reliability reliability: needs 1, there is 0.99" in page
    enough = {"latency_ms": float(quicker.split()[4]), "reliability": float(steadier.split()[7])}
    document.write_text(json.dumps({"schema": "s4m/request/1", "service": "monitoring", "qoe": enough}))
    assert run("buy", "monitoring", "--wallet", "eva", "--cap", "50", "--yes", "--document", document).code == 0


def test_provider_and_operator_may_ask_too(run: Run, subscription: str) -> None:
    buyers = run("explain", subscription).json
    assert run("explain", subscription, "--operator").json == buyers
    assert run("explain", subscription, "--account", "provider-technology").json == buyers
    other = run("explain", subscription, "--account", "provider-resources")
    assert (other.code, other.json["code"]) == (3, "bad_signature")
    assert run("explain", subscription, "--account", "nobody").code == 2


def test_a_request_in_words_is_understood_by_the_market_and_can_be_bought(
    run: Run, house: House, tmp_path: Path
) -> None:
    def asked(text: str) -> Answer:
        (tmp_path / "words.txt").write_text(text, "utf-8")
        return run("request", "parse", tmp_path / "words.txt", "--market")

    karaoke = asked("karaoke with five friends, nobody else in there").json
    assert (karaoke["service"], karaoke["document"]["users"], karaoke["document"]["isolation"]) == (
        "beach-social",
        6,
        2,
    )
    assert karaoke["requirementsHash"] == to_hex(sha256(rfc8785.dumps(karaoke["document"])).digest())
    assert karaoke["plans"] == [str(house.plan_of("beach-social", 2))]
    weather = asked("what is the weather").json
    assert (weather["document"], weather["requirementsHash"], weather["plans"]) == (None, None, [])
    assert weather["question"]
    assert asked("beach " * 500).json["code"] == "malformed_input"


@pytest.mark.parametrize(
    ("words", "code"),
    [(("12",), "unknown_session"), (("x",), "bad_input"), (("7", "--operator"), "unknown_subscription")],
)
def test_what_cannot_be_explained_is_said(run: Run, subscription: str, words: tuple[str, ...], code: str) -> None:
    answer = run("explain", *words)
    assert (answer.code, answer.json["code"]) == (2, code)


def test_the_live_view_shows_pool_models_and_queue(run: Run, subscription: str) -> None:
    told = run("top").json
    assert told["queue"]["services"]["active"] >= 1
    assert told["lastMinute"]["purchases"] >= 1
    assert told["pool"]["used"]["computing_mcores"] > 0
    assert "monitoring" in {one["service"] for one in told["msis"]}
    once = run("top", "--once", as_json=False).text
    assert run("top", as_json=False).text.splitlines()[1:5] == once.splitlines()[1:5]
    for words in (
        "Pool",
        "computing_mcores",
        "Queue",
        "oldest waiting",
        "Clusters",
        "MSIs",
        "monitoring",
        "Models",
        "█",
    ):
        assert words in once, once


def test_a_running_request_is_changed_and_its_buyer_hears_of_it(
    run: Run, house: House, subscription: str, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "s4m.main",
        "notices",
        subscription,
        "--follow",
        "--json",
        "--home",
        str(house.home),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        try:
            assert follower.stdout is not None
            kinds = [json.loads(follower.stdout.readline())["kind"] for _ in range(2)]
            assert set(kinds) == {"request.translated", "msi.running"}
            accepted = run("request", "update", subscription, "--users", "3", "--latency", "2").json
            assert (accepted["revision"], accepted["state"], accepted["gap"]) == (1, "accepted", 0.0)
            later: list[dict[str, object]] = []
            while not later or later[-1]["kind"] != "update.accepted":
                later.append(json.loads(follower.stdout.readline()))
            assert later[-1]["detail"] == {"revision": 1}
            follower.send_signal(signal.SIGINT)
            assert follower.wait(20) == 0
        finally:
            follower.kill()  # a failure above is told, not waited for
    kept = run("request", "show", subscription).json
    assert (kept["users"], kept["qoe"]["latency_ms"]) == (3, 2.0)
    told = run("explain", subscription).json
    assert (told["requirements"]["users"], told["requirements"]["qoe"]["latency_ms"]) == (3, 2.0)
    document = tmp_path / "request.json"
    document.write_text(json.dumps({**kept, "users": 1}))
    assert run("request", "update", subscription, document).json["revision"] == 2
    assert run("use", subscription, "conditions", "--params", '{"t": 60}').json["units"] == "2"
    until = time.monotonic() + 20
    listed: list[dict[str, object]] = []
    while len(listed) < 2 and time.monotonic() < until:  # they are told after the answer
        listed = run("notices", subscription, "--since", later[-1]["number"]).json
    assert [row["kind"] for row in listed] == ["request.translated", "update.accepted"]
    assert "update.accepted" in run("notices", subscription, as_json=False).text


def revised(body: bytes) -> object:
    """The revision that a told change made of its request."""
    return json.loads(body)["data"]["detail"]["revision"]


def test_a_change_is_told_by_webhook_and_on_the_page_that_needs_no_script(
    house: House, run: Run, subscription: str
) -> None:
    """The model's owner, who sells it, has it told to a server of its own."""
    receiver = Receiver()
    owner = house.contracts.catalog.owner_of(model_of(plan_of(SubscriptionId(int(subscription)))))
    [provider] = [key for name in ACCOUNTS if (key := house.keys.account(name)).address == owner]
    with MarketClient(house.urls.marketplace, house.chain, house.deployment) as market:
        hooks = market.webhooks(provider)
        hook = hooks.register(receiver.url, ["update.accepted"], int(subscription))
        try:
            revision = run("request", "update", subscription, "--users", "2").json["revision"]
            until = time.monotonic() + 20
            while not (told_of := [one for one in receiver.told if revised(one[1]) == revision]):
                assert time.monotonic() < until, receiver.told  # an earlier change may be told late, and first
                time.sleep(0.05)
        finally:
            receiver.stop()
        [(headers, body)] = told_of
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        secret = b64decode(hooks.secret(hook["webhookId"]).removeprefix("whsec_"))
        assert headers["webhook-signature"] == f"v1,{b64encode(hmac.digest(secret, signed, sha256)).decode()}"
        event = json.loads(body)
        assert (event["type"], event["data"]["subscriptionId"]) == ("update.accepted", subscription)
        hooks.remove(hook["webhookId"])
    page = httpx.get(f"{house.urls.marketplace}/services/{subscription}").text
    told = page[page.index('<ol class="told"') :]
    kinds = re.findall(r'<li data-kind="([a-z.]+)">', told[: told.index("</ol>")])
    assert kinds[0] == "update.accepted"
    assert "msi.running" in kinds
    assert "Its request was changed." in told
    assert "grant.changed" not in kinds


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (("--latency", "0.01"), 3, "update_refused"),
        (("--users", "65"), 3, "update_refused"),
        ((), 2, "bad_input"),
        (("/nowhere",), 2, "bad_input"),
    ],
)
def test_a_change_that_cannot_be_leaves_the_request_as_it_was(
    run: Run, subscription: str, words: tuple[str, ...], exit_code: int, code: str
) -> None:
    before = run("request", "show", subscription).json
    answer = run("request", "update", subscription, *words)
    assert (answer.code, answer.json["code"]) == (exit_code, code)
    assert run("request", "show", subscription).json == before
    assert run("explain", subscription).json["requirements"]["users"] == before["users"]


def test_the_operators_stream_ends_with_the_program(house: House, subscription: str) -> None:
    """Through the gate; it is taken up after the last event at the program that is started in its place."""
    identity = house.keys.component("operator")
    auth = GateAuth(identity, "orchestrator")
    headers = {"Accept": "text/event-stream"}
    with httpx.Client(base_url=house.urls.orchestrator, auth=auth, timeout=30) as client:
        everything = client.get("/notices").json()["notices"]
        with client.stream("GET", "/notices", headers=headers) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.iter_lines()
            assert next(line for line in lines if line.startswith("id: ")) == f"id: {everything[0]['number']}"
            os.kill(house.children["orchestrator"].pid, signal.SIGTERM)
            with contextlib.suppress(httpx.RemoteProtocolError):
                for _ in lines:
                    pass
        last = everything[2]["number"]
        until = time.monotonic() + 60
        while True:
            try:
                with client.stream("GET", "/notices", headers={**headers, "Last-Event-ID": str(last)}) as again:
                    again.raise_for_status()  # the program that stops answers 503 for a moment
                    first = next(line for line in again.iter_lines() if line.startswith("id: "))
                break
            except (httpx.TransportError, httpx.HTTPStatusError):
                assert time.monotonic() < until
                time.sleep(0.2)
        assert first == f"id: {everything[3]['number']}"
        assert httpx.get(f"{house.urls.orchestrator}/notices").json()["code"] == "token_missing"


@pytest.mark.parametrize("leave", ["q", "interrupt"])
def test_the_live_view_is_left_by_q_and_by_an_interrupt(house: House, subscription: str, leave: str) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 120))
    command = [sys.executable, "-m", "s4m.main", "top", "--home", str(house.home)]
    sizes = ("COLUMNS", "LINES")  # what another test set would count more than the terminal
    environment = {**{k: v for k, v in os.environ.items() if k not in sizes}, "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as program:
        os.close(theirs)
        seen = b""
        while b"Models" not in seen:
            seen += _read(ours)
            assert program.poll() is None, seen.decode()
        if leave == "interrupt":
            program.send_signal(signal.SIGINT)
        until = time.monotonic() + 60
        while program.poll() is None and time.monotonic() < until:
            if leave == "q":  # again: what is typed before the terminal is set to single keys is lost
                os.write(ours, b"q")
            _read(ours)
        program.kill()
    assert program.returncode == 0
    os.close(ours)


def test_on_postgresql_a_purchase_is_answered_settled_and_proven(
    run: Run, house: House, subscription: str, databases: dict[str, str], tmp_path: Path
) -> None:
    if not databases:
        pytest.skip("there is no PostgreSQL on this machine")
    answer = tmp_path / "answer.json"
    used = run("use", subscription, "conditions", "--params", '{"t": 7200}', "--out", answer).json
    assert json.loads(answer.read_text())
    run("settle")
    units = int(used["signedUnits"])
    with _rows(databases["S4M_DATABASE"]) as rows:
        until = time.monotonic() + 30
        query = sa.text("SELECT units, result FROM vouchers WHERE subscription_id = :mine")
        while (found := rows.execute(query, {"mine": subscription}).one()) not in (
            (str(units), "settled"),
            (str(units), "final"),
        ):
            assert time.monotonic() < until, found
            time.sleep(0.1)
        states = rows.execute(sa.text("SELECT subscription_id, state FROM services")).all()
        assert (subscription, "active") in states
    with _rows(databases["S4M_MARKETPLACE_DATABASE"]) as rows:
        assert rows.scalar(sa.text("SELECT count(*) FROM subscriptions")) >= 1
    assert run("subscriptions", "show", subscription).json["chain"]["used"] == str(units)
    report = run("audit", "--proofs", "all").json
    assert (report["ok"], report["records_checked"] > 0, report["table_rows_checked"] > 0) == (True, True, True)
    assert not (house.home / "db" / "engine.db").exists()
    assert not (house.home / "db" / "market.db").exists()


@contextlib.contextmanager
def _rows(database: str) -> Iterator[sa.Connection]:
    """What is committed, statement by statement."""
    engine = sa.create_engine(database_url(database), isolation_level="AUTOCOMMIT")
    with engine.connect() as rows:
        yield rows
    engine.dispose()


def _read(terminal: int) -> bytes:
    """What the program writes within a second; nothing once it has left its terminal."""
    try:
        return os.read(terminal, 65_536) if select.select([terminal], [], [], 1.0)[0] else b""
    except OSError:
        return b""
