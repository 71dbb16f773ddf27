"""The house on a chain that is no devnet of its own (docs/how-to/run-on-a-testnet.md): another chain id, gas counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_runner import Answer, Run, runner

from ledger.devnet import Devnet
from ledger.values import Address
from orchestrator.models.manifests import HERE
from s4m.processes import Child, Service, free_ports, wait_healthy

CHAIN = 4_242


@pytest.fixture(scope="module")
def node() -> Iterator[Devnet]:
    with Devnet.start(chain_id=CHAIN) as running:
        yield running


@pytest.fixture(scope="module")
def run(node: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Contracts, enrolled keys and three programs, by the how-to's own steps."""
    home = tmp_path_factory.mktemp("testnet")
    ports = dict(zip(("marketplace", "orchestrator", "gateway"), free_ports(3), strict=True))
    urls = {f"S4M_{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()}
    environment = {"S4M_HOME": str(home), "S4M_RPC_URL": node.rpc_url, **urls}
    at_home = runner(home)

    def run(*words: object, as_json: bool = True, **more: str) -> Answer:
        return at_home(*words, as_json=as_json, **{**environment, **more})

    _set_up(run, node)
    children = [
        Child(Service("marketplace", "marketplace", ports["marketplace"], "/api/v1/health"), home, environment),
        Child(Service("orchestrator", "orchestrator", ports["orchestrator"], "/health"), home, environment),
        Child(Service("gateway", "orchestrator.gateway", ports["gateway"], "/health"), home, environment),
    ]
    try:
        for child in children:
            child.start()
        wait_healthy(children, 60)
        yield run
    finally:
        for child in children:
            child.stop()


def _set_up(run: Run, node: Devnet) -> None:
    unfunded = run("deploy", "--yes")
    assert (unfunded.code, unfunded.json["code"]) == (4, "gas_unfunded"), unfunded
    for row in run("wallet", "accounts").json:
        node.fund(Address(row["address"]), 10**18)  # as a transfer of the operator's would
    asked = run("deploy")
    assert (asked.code, asked.json["code"]) == (3, "not_confirmed")
    assert "ETH" in asked.errors
    assert run("deploy", "--yes").json["chainId"] == CHAIN
    assert run("trust", "enrol").json["code"] == "not_confirmed"
    assert run("trust", "enrol", "--yes").code == 0
    node.mine(3)  # final before the first call


def test_a_model_is_sold_used_settled_and_proven_there(run: Run, node: Devnet, tmp_path: Path) -> None:
    manifest = HERE / "manifests" / "monitoring.json"
    publish = ("catalog", "publish", manifest, "--account", "provider-technology")
    assert run(*publish).json["code"] == "not_confirmed"
    assert int(run(*publish, "--dry-run").json["gasWei"]) > 0
    plan = run(*publish, "--yes").json["planId"]
    run("wallet", "create", "anna")
    assert run("wallet", "fund", "anna").json["code"] == "bad_input"  # no faucet but on a devnet
    _give_credits(run, node)
    bought = run("buy", plan, "--wallet", "anna", "--cap", "100", "--yes")
    assert (bought.code, bought.json["state"]) == (0, "active"), bought
    used = run("use", bought.json["subscriptionId"], "conditions").json
    assert used["units"] != "0"
    assert run("settle").code == 0
    report = run("audit", "--log", used["log"], "--proofs", "all").json
    assert (report["ok"], report["records_checked"]) == (True, 1)
    broken = [line for line in run("doctor", "--port-base", 0).json if line["state"] == "bad"]
    assert broken == []


def _give_credits(run: Run, node: Devnet) -> None:
    """The fresh token's faucet, asked as anybody may, by an account of the node's."""
    from ledger.chain import Chain
    from ledger.contracts import Contracts
    from ledger.deployment import Deployment
    from ledger.sender import Sender
    from ledger.signer import RemoteSigner
    from ledger.values import CREDIT, ZERO_ADDRESS

    home = Path(run("wallet", "show", "anna").json["file"]).parents[1]
    chain = Chain.connect(node.rpc_url)
    somebody = RemoteSigner(node.rpc_url, RemoteSigner(node.rpc_url, ZERO_ADDRESS).accounts()[0])
    contracts = Contracts(chain, Deployment.load(home, CHAIN))
    with Sender(chain, somebody) as sender:
        sender.send(contracts.credit.faucet(Address(run("wallet", "show", "anna").json["address"]), 10 * CREDIT))
    chain.close()
