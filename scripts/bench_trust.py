"""The gate, measured: what it costs, how many proofs a core checks, how soon a revocation counts, what attacks get.

Used by bench.py. Costs are CPU seconds of this process, not wall-clock time, so a busy machine changes them little. The
table of attacks with every answer is the raw material: trust-attacks.json. `--input` is a JSON file with any of
`calls`, `proofs` (how many are measured) and `revocations`.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.responses import JSONResponse

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import deploy
from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.sender import Sender
from orchestrator.in_process import ask
from scripts.attacks.ground import open_ground
from scripts.attacks.run import play
from trust import callee, proofs
from trust.auth import GateAuth
from trust.callee import Call, Callees
from trust.enrol import enrol_components, revoke_component
from trust.enrolment import Enrolment
from trust.gate import Gate
from trust.journal import Journal
from trust.keys import ComponentIdentity, ProofKey
from trust.policy import Policy
from trust.proofs import digest
from trust.replay import ReplayStore
from trust.revocations import Kind, Revocation, Revocations

Figures = list[dict[str, Any]]
TARGET = "/offers/7/acceptance"


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    calls: int = 3_000
    proofs: int = 5_000
    revocations: int = 3

    @classmethod
    def read(cls, path: Path | None) -> Sizes:
        """Of a JSON file; SystemExit where a member is unknown or no positive whole number."""
        given = json.loads(path.read_text()) if path else {}
        known = {field.name for field in fields(cls)}
        bad = [name for name, value in given.items() if name not in known or type(value) is not int or value < 1]
        if bad:
            raise SystemExit(f"error: {path}: {', '.join(bad)}: known are {sorted(known)}, each a whole number from 1")
        return cls(**given)


def measure(figure: Callable[..., dict[str, Any]], out: Path, data: Path | None) -> Figures:
    """All figures of the area."""
    sizes = Sizes.read(data)
    with tempfile.TemporaryDirectory() as folder:
        return [
            *_on_chain(figure, Path(folder) / "house", sizes),
            *_proofs(figure, sizes),
            *_attacks(figure, Path(folder) / "attacked", out),
        ]


def _on_chain(figure: Callable[..., dict[str, Any]], home: Path, sizes: Sizes) -> Figures:
    with Devnet.start(slots_in_an_epoch=1) as devnet, closing(Chain.connect(devnet.rpc_url)) as chain:
        operator = WalletKey.create()
        devnet.fund(operator.address)
        contracts = Contracts(chain, deploy(chain, operator))
        identities = {name: ComponentIdentity.generate(name) for name in ("vmof", "mmf")}
        with Sender(chain, operator) as sender:
            domain_id = enrol_components(contracts, sender, identities.values())
            devnet.mine(4)
            enrolment = Enrolment(contracts, domain_id)
            with (
                closing(enrolment),
                ReplayStore(home / "replay.db") as replay,
                Journal(home / "mmf.jsonl") as journal,
                closing(Revocations(f"sqlite:///{home / 'revocations.db'}")) as revocations,
            ):
                gate = Gate(
                    "mmf",
                    Policy.load(),
                    enrolment,
                    replay,
                    journal,
                    identity=identities["mmf"],
                    revocations=revocations,
                )
                yard = Yard(devnet, contracts, sender, domain_id, gate, revocations, identities["vmof"])
                return asyncio.run(_gate(figure, yard, sizes))


@dataclass(frozen=True)
class Yard:
    """A gate over a real chain and real files."""

    devnet: Devnet
    contracts: Contracts
    sender: Sender
    domain_id: bytes
    gate: Gate
    revocations: Revocations
    caller: ComponentIdentity


async def _gate(figure: Callable[..., dict[str, Any]], yard: Yard, sizes: Sizes) -> Figures:
    bare, gated = _app(), _app()
    yard.gate.protect(gated)
    auth = GateAuth(yard.caller, "mmf")
    await _cpu_s(gated, auth, 200)
    bare_s = min([await _cpu_s(bare, auth, sizes.calls) for _ in range(3)])
    gated_s = min([await _cpu_s(gated, auth, sizes.calls) for _ in range(3)])
    cost_ms = round((gated_s - bare_s) * 1_000, 4)
    load = (
        f"{sizes.calls} POSTs in-process, three times, the best; bare {bare_s * 1e3:.3f} ms, behind the gate "
        f"{gated_s * 1e3:.3f} ms: token, proof, replay store, journal, the callee's own signature"
    )
    judging_ms = round(1_000 * await _judging_s(yard, sizes.calls), 4)
    on_chain = [await _key_revocation_s(yard, gated) for _ in range(sizes.revocations)]
    beside = [await _subject_revocation_s(yard, gated, auth) for _ in range(sizes.revocations)]
    return [
        figure("gate_cpu_ms", cost_ms, "ms", load, ("<=", 0.5), ("the bare call", round(bare_s * 1_000, 4))),
        figure(
            "callee_check_cpu_ms",
            judging_ms,
            "ms",
            f"{sizes.calls} answers of 1 KiB judged by their caller: key looked up, signature and body's hash checked",
            ("<=", 0.5),
        ),
        figure(
            "revocation_effective_s",
            round(max(on_chain), 3),
            "s",
            f"{len(on_chain)} component keys, from the mined revocation to the first refusal, the worst; blocks of "
            f"1 s; median {statistics.median(on_chain):.3f} s",
            ("<=", 5.0),
        ),
        figure(
            "subject_revocation_effective_s",
            round(max(beside), 3),
            "s",
            f"{len(beside)} subjects revoked beside the chain by another program, the worst",
            ("<=", 5.0),
        ),
    ]


def _app() -> FastAPI:
    async def answer() -> JSONResponse:
        return JSONResponse({"accepted": True})

    app = FastAPI()
    app.add_api_route("/offers/{offer}/acceptance", answer, methods=["POST"])
    app.add_api_route("/pool", answer, methods=["GET"])
    return app


async def _cpu_s(app: FastAPI, auth: GateAuth, calls: int) -> float:
    """CPU seconds a call, the caller's signing left out."""
    body = b'{"offer":"7"}'
    signed = [auth.headers("POST", f"http://mmf{TARGET}", body) for _ in range(calls)]
    begun = time.process_time()
    for headers in signed:
        answer = await ask(app, "mmf", "POST", TARGET, headers, body)
        if answer.status != 200:
            raise SystemExit(f"error: the measured call was refused: {answer.body!r}")
    return (time.process_time() - begun) / calls


async def _judging_s(yard: Yard, calls: int) -> float:
    """CPU seconds that it takes a caller to believe one answer."""
    body, call = bytes(1_024), Call("mmf", "POST", TARGET, "a proof")
    assert yard.gate.identity is not None
    signed = callee.sign(yard.gate.identity, call, 200, digest(body))
    auth = GateAuth(yard.caller, "mmf", callees=Callees(yard.gate.enrolment))
    begun = time.process_time()
    for _ in range(calls):
        await auth.require_callee(call, 200, signed, body)
    return (time.process_time() - begun) / calls


async def _status(app: FastAPI, auth: GateAuth) -> int:
    return (await ask(app, "mmf", "GET", "/pool", auth.headers("GET", "http://mmf/pool", b""), b"")).status


async def _key_revocation_s(yard: Yard, app: FastAPI) -> float:
    caller = ComponentIdentity.generate("vmof")
    await asyncio.to_thread(enrol_components, yard.contracts, yard.sender, [caller])
    auth = GateAuth(caller, "mmf")
    await _seconds_until(app, auth, 200)
    await asyncio.to_thread(revoke_component, yard.contracts, yard.sender, yard.domain_id, caller)
    return await _seconds_until(app, auth, 401)


async def _subject_revocation_s(yard: Yard, app: FastAPI, auth: GateAuth) -> float:
    other = Revocations(yard.revocations.url)
    subject = yard.caller.spiffe_id
    with closing(other):
        await asyncio.to_thread(other.add, Revocation(Kind.SUBJECT, subject, "measured"), time.time())
        seconds = await _seconds_until(app, auth, 401)
        await asyncio.to_thread(other.lift, Kind.SUBJECT, subject)
    await _seconds_until(app, auth, 200)
    return seconds


async def _seconds_until(app: FastAPI, auth: GateAuth, status: int) -> float:
    """Asks every 10 ms until the gate answers so."""
    begun = time.monotonic()
    while await _status(app, auth) != status:  # noqa: ASYNC110 — what is awaited happens on a chain or in a database
        await asyncio.sleep(0.01)
    return time.monotonic() - begun


def _proofs(figure: Callable[..., dict[str, Any]], sizes: Sizes) -> Figures:
    """Each proof is another; keys are few, as those of a house's callers are."""
    now, keys = time.time(), [ProofKey.generate() for _ in range(16)]
    signed = [
        proofs.prove(keys[n % 16], method="POST", url="http://mmf/offers", body=b"{}", token="t", now=now)  # noqa: S106
        for n in range(sizes.proofs)
    ]
    begun = time.process_time()
    for header in signed:
        proofs.check(header, method="POST", targets=("/offers",), token="t", now=now)  # noqa: S106
    rate = sizes.proofs / (time.process_time() - begun)
    load = f"{sizes.proofs} Ed25519 proofs of 16 keys, all good, CPU time of one core"
    return [figure("pop_checks_per_s", round(rate), "/s", load, (">=", 4_000))]


def _attacks(figure: Callable[..., dict[str, Any]], home: Path, out: Path) -> Figures:
    home.mkdir()
    with open_ground(home) as ground:
        results = play(ground)
    (out / "trust-attacks.json").write_text(json.dumps([each.to_json() for each in results], indent=2) + "\n")
    refused = sum(each.refused and each.journalled for each in results)
    names = len({each.name for each in results})
    load = f"{names} named attacks at six apps over HTTP, each refused with its code and journalled"
    return [
        figure("attacks_named", names, "", load, (">=", 60)),
        figure("attacks_tried", len(results), "", load, (">=", 60)),
        figure("attacks_refused", refused, "", load, (">=", len(results)), ("tried", len(results))),
    ]
