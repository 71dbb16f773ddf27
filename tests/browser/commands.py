"""Runs commands of `s4m` beside a browser: buys, uses and settles what the pages then show."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from s4m.main import cli
from s4m.supervisor import House

ENVIRONMENT = {"S4M_WALLET_PASSWORD": "correct horse", "S4M_SCRYPT_N": "1024"}
FRAME = json.dumps({"objects": [7], "view": {"x": 0, "y": 0, "yaw": 0, "t": 0}, "format": "jpeg", "quality": 80})


def command(house: House, *words: str) -> dict[str, Any]:
    """A command of `s4m` in this house; its JSON answer. In a thread: Playwright's loop runs in this one."""
    arguments = [*words, "--home", str(house.home), "--json"]
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(CliRunner().invoke, cli, arguments, env=ENVIRONMENT).result()
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def buy(house: House, name: str) -> str:
    """A running virtual beach of a new wallet of that name; its subscription's id."""
    command(house, "wallet", "create", name)
    command(house, "wallet", "fund", name)
    return str(command(house, "buy", "virtual-beach-travel", "--wallet", name, "--yes")["subscriptionId"])


def use(house: House, subscription: str, times: int = 1, params: str = FRAME) -> str:
    """Fetches frames and settles; the text of the buyer's usage log."""
    used = command(house, "use", subscription, "frame", "--params", params, "--repeat", str(times))
    command(house, "settle")
    return Path(str(used["log"])).read_text()
