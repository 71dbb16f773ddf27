"""A proof that passed before a kill -9 is refused after the restart, and by every replica."""

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
from trust_yard import House

from ledger.deployment import Deployment
from trust import proofs, tokens
from trust.journal import rows, verify
from trust.keys import ComponentIdentity

SERVER = """
import sys
from pathlib import Path
import uvicorn
from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment
from trust_apps import mmf_app
from trust.enrolment import Enrolment
from trust.gate import Gate
from trust.journal import Journal
from trust.policy import Policy
from trust.replay import ReplayStore
home, rpc, domain_id, port, name = Path(sys.argv[1]), sys.argv[2], bytes.fromhex(sys.argv[3]), *sys.argv[4:]
chain = Chain.connect(rpc)
enrolment = Enrolment(Contracts(chain, Deployment.load(home, chain.chain_id)), domain_id)
gate = Gate("mmf", Policy.load(), enrolment, ReplayStore(home / "replay.db"), Journal(home / f"{name}.jsonl"))
uvicorn.run(mmf_app(gate), host="127.0.0.1", port=int(port), log_level="warning")
"""


class Replica:
    """One real server process over the shared home."""

    def __init__(self, house: House, home: Path, name: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        arguments = [str(home), house.devnet.rpc_url, house.domain_id.hex(), str(port), name]
        self.process = subprocess.Popen([sys.executable, "-c", SERVER, *arguments], cwd=Path(__file__).parent)

    def await_answer(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{self.url}/health")
                return
            time.sleep(0.05)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        """SIGKILL; may be repeated."""
        self.process.kill()
        self.process.wait()


def headers(identity: ComponentIdentity, ahead_s: float = 0) -> dict[str, str]:
    now = time.time()
    token = tokens.mint(identity, audience="mmf", now=now, scope=("offers.write",), lifetime_s=120)
    proof = proofs.prove(identity.key, method="POST", url="http://any/offers", body=b"", token=token, now=now + ahead_s)
    return {"Authorization": f"DPoP {token}", "DPoP": proof}


def test_replay_is_refused_across_kill_9_and_by_a_replica(house: House, tmp_path: Path) -> None:
    deployment: Deployment = house.contracts.deployment
    deployment.save(tmp_path)
    with contextlib.ExitStack() as stack:

        def start(name: str) -> Replica:
            replica = Replica(house, tmp_path, name)
            stack.callback(replica.kill)
            return replica

        first = start("first")
        first.await_answer()
        presented = headers(house.identities["vmof"], ahead_s=25)  # good for as long as two slow starts may take
        assert httpx.post(f"{first.url}/offers", headers=presented).status_code == 200
        first.kill()
        before = verify(tmp_path / "first.jsonl")
        for server in [start("first"), start("other")]:
            server.await_answer()
            answer = httpx.post(f"{server.url}/offers", headers=presented)
            assert answer.json()["code"] == "proof_replayed"
            assert httpx.post(f"{server.url}/offers", headers=headers(house.identities["vmof"])).status_code == 200
    assert verify(tmp_path / "first.jsonl", before).seq > before.seq
    assert "proof_replayed" in [row["code"] for row in rows(tmp_path / "other.jsonl")]
