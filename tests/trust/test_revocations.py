"""Tokens, subjects and session keys that were revoked beside the chain, on both databases and at the gate."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from trust_apps import gateway_app, mmf_app
from trust_yard import Yard, code, session

from trust import proofs, tokens
from trust.auth import SessionAuth
from trust.errors import RevocationsUnreadable
from trust.gate import GateAuth
from trust.keys import ProofKey
from trust.limits import Limits
from trust.policy import Policy
from trust.revocations import Kind, Revocation, Revocations
from trust.sessions import SessionIssuer

Clients = Callable[..., httpx.AsyncClient]


@pytest.fixture
def revocations(tmp_path: Path) -> Iterator[Revocations]:
    store = Revocations(f"sqlite:///{tmp_path / 'revocations.db'}")
    yield store
    store.close()


async def test_what_one_program_revokes_another_sees(database: str, tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    one, other = Revocations(database, refresh_s=0), Revocations(database, refresh_s=0)
    assert await other.current() == {}
    revocation = Revocation(Kind.SUBJECT, "subscription:7", "stolen laptop")
    one.add(revocation, 1_000)
    one.add(revocation, 1_001)
    assert other.all() == [revocation]
    assert await other.current() == {("subject", "subscription:7"): revocation}
    assert other.lift(Kind.SUBJECT, "subscription:7")
    assert not one.lift(Kind.SUBJECT, "subscription:7")
    assert await one.current() == {}
    one.close()
    other.close()


async def test_first_requests_of_a_program_wait_for_the_first_reading(revocations: Revocations) -> None:
    await asyncio.to_thread(revocations.add, Revocation(Kind.SUBJECT, "subscription:7", "stolen"), 1_000)
    views = await asyncio.gather(*(revocations.current() for _ in range(5)))
    assert all(("subject", "subscription:7") in view for view in views)


async def test_store_that_cannot_be_read_is_tolerated_for_a_while_then_everybody_is_refused(
    yard: Yard, client_of: Clients, tmp_path: Path
) -> None:
    store = Revocations(f"sqlite:///{tmp_path / 'nowhere' / 'revocations.db'}", refresh_s=0, tolerate_s=5)
    with pytest.raises(RevocationsUnreadable):
        await store.current()
    async with client_of(mmf_app(yard.gate("mmf", revocations=store)), yard.auth("vmof", "mmf")) as client:
        answer = await client.get("/pool")
        assert (answer.status_code, code(answer)) == (503, "revocations_unreadable")
    (tmp_path / "nowhere").mkdir()
    assert await store.current() == {}
    (tmp_path / "nowhere").rename(tmp_path / "elsewhere")
    store._engine.dispose()
    assert await store.current() == {}  # the last view, for five seconds
    store.close()


async def test_revoked_token_is_refused_and_a_fresh_one_passes(
    yard: Yard, client_of: Clients, revocations: Revocations
) -> None:
    identity = yard.house.identities["vmof"]
    token = tokens.mint(identity, audience="mmf", now=time.time(), scope=Policy.load().scopes("mmf", "vmof"))
    claims = tokens.verify(
        token,
        audience="mmf",
        domain=identity.domain,
        key_of=lambda _c, _k: identity.key.private.public_key(),  # type: ignore[arg-type,return-value]
        now=time.time(),
    )

    def headers() -> dict[str, str]:
        proof = proofs.prove(identity.key, method="GET", url="http://app/pool", body=b"", token=token, now=time.time())
        return {"Authorization": f"DPoP {token}", "DPoP": proof}

    async with client_of(mmf_app(yard.gate("mmf", revocations=revocations))) as client:
        assert (await client.get("/pool", headers=headers())).status_code == 200
        revocations.add(Revocation(Kind.TOKEN, claims.token_id, "leaked"), time.time())
        refused = await client.get("/pool", headers=headers())
        assert (refused.status_code, code(refused)) == (401, "token_revoked")
        assert (await client.get("/pool", auth=GateAuth(identity, "mmf"))).status_code == 200


async def test_revoked_subject_is_refused_whatever_token_it_holds(
    yard: Yard, client_of: Clients, revocations: Revocations
) -> None:
    revocations.add(Revocation(Kind.SUBJECT, yard.house.identities["vmof"].spiffe_id, "incident"), time.time())
    app = mmf_app(yard.gate("mmf", revocations=revocations))
    async with client_of(app, yard.auth("vmof", "mmf")) as client:
        assert code(await client.get("/pool")) == "token_revoked"
    async with client_of(app, yard.auth("orchestrator", "mmf")) as client:
        assert (await client.get("/pool")).status_code == 200


async def test_revocation_ends_a_running_stream(yard: Yard, revocations: Revocations) -> None:
    async def endless():  # type: ignore[no-untyped-def]
        while True:
            yield b"x"
            revocations.add(Revocation(Kind.SUBJECT, "subscription:7", "stolen"), time.time())
            await asyncio.sleep(0.02)

    app = gateway_app(yard.gate("gateway", recheck_s=0.05, revocations=revocations), endless)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://app", auth=session(yard, ProofKey.generate())
    ) as c:
        assert (await c.get("/usage/7/log")).status_code == 200
    assert yard.decisions("gateway")[-1] == ("deny", "token_revoked")


class Device:
    """A buyer's client at an address of its own."""

    def __init__(self, yard: Yard, app: object, key: ProofKey, address: str = "10.0.0.1") -> None:
        self._yard = yard
        self._app = app
        self.key = key
        self.address = address
        self.sign_in()

    def sign_in(self) -> None:
        issuer = SessionIssuer(self._yard.house.identities["gateway"], clock=self._yard.clock)
        self.token, _ = issuer.mint(7, self.key.jkt, ends=int(self._yard.clock()) + 3_600)

    async def use(self, address: str = "", auth: httpx.Auth | None = None) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app, client=(address or self.address, 1))  # type: ignore[arg-type]
        own = SessionAuth(lambda: self.token, self.key, clock=self._yard.clock)
        async with httpx.AsyncClient(transport=transport, base_url="http://app", auth=auth or own) as client:
            return await client.post("/use/7")


@pytest.fixture
def device(yard: Yard, revocations: Revocations) -> Device:
    limits = Limits(session_rate=1.0, session_burst=10.0)
    return Device(yard, gateway_app(yard.gate("gateway", revocations=revocations, limits=limits)), ProofKey.generate())


async def test_key_used_from_two_places_must_authenticate_again(yard: Yard, device: Device) -> None:
    assert (await device.use("10.0.0.1")).status_code == 200
    assert (await device.use("10.0.0.2")).status_code == 200  # roaming once is no sign
    assert (await device.use("10.0.0.2")).status_code == 200
    refused = await device.use("10.0.0.1")
    assert (refused.status_code, code(refused)) == (401, "reauthentication_required")
    assert "two places" in refused.json()["detail"]
    assert code(await device.use("10.0.0.2")) == "reauthentication_required"
    assert yard.decisions("gateway")[-1] == ("deny", "reauthentication_required")
    yard.clock.ahead += 2
    device.sign_in()
    assert (await device.use("10.0.0.2")).status_code == 200


async def test_many_failed_proofs_under_a_good_token_lower_it(device: Device) -> None:
    thief = SessionAuth(lambda: device.token, ProofKey.generate())
    for _ in range(4):
        assert code(await device.use(auth=thief)) == "proof_invalid"
    assert code(await device.use(auth=thief)) == "reauthentication_required"
    assert code(await device.use()) == "reauthentication_required"


async def test_failed_proofs_without_the_token_lower_nobody(device: Device) -> None:
    stranger = SessionAuth(lambda: "eyJ.eyJ.AAAA", device.key)
    for _ in range(8):
        assert code(await device.use(auth=stranger)) == "token_invalid"
    assert (await device.use()).status_code == 200


async def test_clock_that_jumps_lowers_the_session(yard: Yard, device: Device) -> None:
    assert (await device.use()).status_code == 200
    ahead = SessionAuth(lambda: device.token, device.key, clock=lambda: yard.clock() + 25)
    assert code(await device.use(auth=ahead)) == "reauthentication_required"


async def test_session_that_does_not_heed_its_rate_is_lowered(device: Device) -> None:
    answers = [await device.use() for _ in range(130)]
    codes = [code(answer) for answer in answers if answer.status_code != 200]
    assert codes.count("too_many_requests") == 99
    assert set(codes) == {"too_many_requests", "reauthentication_required"}
    slow = next(answer for answer in answers if answer.status_code == 429)
    assert int(slow.headers["retry-after"]) >= 1


async def test_lowered_session_stays_lowered_in_another_program_and_after_a_restart(
    yard: Yard, device: Device, revocations: Revocations, tmp_path: Path
) -> None:
    for address in ("10.0.0.1", "10.0.0.2", "10.0.0.1"):
        await device.use(address)
    again = Revocations(f"sqlite:///{tmp_path / 'revocations.db'}")
    other = Device(yard, gateway_app(yard.gate("gateway", revocations=again)), device.key)
    other.token = device.token
    assert code(await other.use()) == "reauthentication_required"
    again.close()
