"""What a running house tells of itself: explanations of an accepted and a refused request, and the live view."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_runner import Run, runner

from s4m.supervisor import House


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House.start(tmp_path_factory.mktemp("house"), port_base=0) as running:
        yield running


@pytest.fixture
def run(house: House) -> Run:
    return runner(house.home)


@pytest.fixture(scope="module")
def subscription(house: House) -> str:
    run = runner(house.home)
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
    page = run("explain", subscription, as_json=False).text
    for words in (
        "Step I",
        "Step II",
        "Step III",
        "create monitoring-",
        "gap 0.00 % (proven best)",
        "Offers",
        "Times: final",
    ):
        assert words in page, page


def test_a_refused_request_is_explained_with_what_would_do(run: Run, subscription: str, tmp_path: Path) -> None:
    document = tmp_path / "request.json"
    document.write_text(json.dumps({"schema": "s4m/request/1", "service": "monitoring", "qoe": {"latency_ms": 0.01}}))
    bought = run("buy", "monitoring", "--wallet", "eva", "--cap", "50", "--yes", "--document", document)
    assert (bought.code, bought.json["code"]) == (3, "service_refused")
    refused = next(row["subscriptionId"] for row in run("subscriptions", "list").json if row["cap"] == "50")
    told = run("explain", refused).json
    assert (told["state"], told["refusal"]["code"]) == ("refused", "infeasible")
    assert [said[:16] for said in told["feasibleIf"]] == ["ask for at most "]
    page = run("explain", refused, as_json=False).text
    assert "would do: ask for at most" in page
    assert "latency latency_ms: needs" in page
    enough = float(told["feasibleIf"][0].split()[4])
    document.write_text(json.dumps({"schema": "s4m/request/1", "service": "monitoring", "qoe": {"latency_ms": enough}}))
    assert run("buy", "monitoring", "--wallet", "eva", "--cap", "50", "--yes", "--document", document).code == 0


def test_provider_and_operator_may_ask_too(run: Run, subscription: str) -> None:
    buyers = run("explain", subscription).json
    assert run("explain", subscription, "--operator").json == buyers
    assert run("explain", subscription, "--account", "provider-technology").json == buyers
    other = run("explain", subscription, "--account", "provider-resources")
    assert (other.code, other.json["code"]) == (3, "bad_signature")
    assert run("explain", subscription, "--account", "nobody").code == 2


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


@pytest.mark.parametrize("leave", ["q", "interrupt"])
def test_the_live_view_is_left_by_q_and_by_an_interrupt(house: House, subscription: str, leave: str) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 120))
    command = [sys.executable, "-m", "s4m.main", "top", "--home", str(house.home)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as program:
        os.close(theirs)
        seen = b""
        while b"Models" not in seen:
            seen += _read(ours)
        if leave == "q":
            os.write(ours, b"q")
        else:
            program.send_signal(signal.SIGINT)
        while program.poll() is None:
            _read(ours)
        assert program.returncode == 0
    os.close(ours)


def _read(terminal: int) -> bytes:
    """What the program writes within a second; nothing once it has left its terminal."""
    try:
        return os.read(terminal, 65_536) if select.select([terminal], [], [], 1.0)[0] else b""
    except OSError:
        return b""
