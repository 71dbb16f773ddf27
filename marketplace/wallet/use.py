"""The buyer's client of the gateway: sessions, uses, vouchers. Used by `s4m use`, the demo's travellers and tests.

`UsageSession` keeps its own books (`receipts.py`), signs only what it recomputed, repeats a lost request under the same
request id so that nothing is paid twice, and after a restart goes on from the gateway's log where that fits its own.
It buys nothing and reads no chain: the `Agreement` is read beforehand.
"""

import asyncio
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from ledger.claims import Disclosure
from ledger.keys import WalletKey
from ledger.typed_data import SessionBinding, sign
from ledger.usage_log import UsageRecord
from ledger.values import to_hex
from marketplace.errors import GatewayDown, ProblemAnswer
from marketplace.wallet.receipts import Agreement, MeterDispute, Receipts
from trust.auth import SessionAuth
from trust.keys import ProofKey

__all__ = ["Agreement", "BlockingUsage", "MeterDispute", "UsageSession", "Use", "UseRefused"]

BINDING_S = 3600
RENEW_BEFORE_S = 20
PASSING = frozenset({429, 502, 503, 504})
"""Statuses that may pass: a model or the chain is away for a moment, or too many uses wait."""


class UseRefused(ProblemAnswer):
    """The gateway answered with a problem; `server_code` is its stable code."""

    title = "The gateway refused"


@dataclass(frozen=True)
class Use:
    """One answered use: its checked record, the measurements told beside it, and for souvenirs their provenance."""

    body: bytes
    content_type: str
    record: UsageRecord
    info: Mapping[str, Any]
    provenance: Mapping[str, Any] | None


@dataclass(frozen=True)
class SigningHabit:
    """When to sign without being asked: at this many unsigned units, or this many seconds after the oldest."""

    units: int
    seconds: float


class UsageSession:
    """One subscription's use. Async; several uses may be at work at once. Open it by `open`, close it after."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        agreement: Agreement,
        session_key: WalletKey,
        receipts: Receipts,
        habit: SigningHabit,
        patience_s: float,
        disclosures: Sequence[Disclosure] = (),
    ) -> None:
        self._http = http
        self._agreement = agreement
        self._session_key = session_key
        self.receipts = receipts
        self._habit = habit
        self._patience_s = patience_s
        self._disclosures = [each.to_json() for each in disclosures]
        self._proof_key = ProofKey.generate()
        self._token: tuple[str, int] = ("", 0)
        self._auth = SessionAuth(lambda: self._token[0], self._proof_key)
        self._renewing = asyncio.Lock()
        self._signing = asyncio.Lock()
        self.vouchers_signed = 0

    @classmethod
    async def open(
        cls,
        gateway_url: str,
        agreement: Agreement,
        session_key: WalletKey,
        *,
        record_file: Path | None = None,
        habit: SigningHabit | None = None,
        patience_s: float = 30.0,
        grace_s: float = 3.0,
        transport: httpx.AsyncBaseTransport | None = None,
        disclosures: Sequence[Disclosure] = (),
    ) -> Self:
        """Bind a fresh proof key, take over earlier use, be ready.

        `record_file` keeps records and vouchers as JSONL; `patience_s` is how long lost connections and passing
        failures are retried, `grace_s` how long an activation may take to become final, seconds. `disclosures` are
        shown to the gateway where the plan asks for claims.
        `MeterDispute` where the gateway's log does not fit what is remembered.
        """
        habit = habit or SigningHabit(agreement.terms.credit_units // 2, agreement.terms.credit_seconds / 2)
        http = httpx.AsyncClient(base_url=gateway_url, timeout=60.0, trust_env=False, transport=transport)
        try:
            receipts = Receipts(agreement, record_file)
            session = cls(http, agreement, session_key, receipts, habit, patience_s, disclosures)
            await session._bind(grace_s)
            await session._catch_up()
        except BaseException:
            await http.aclose()
            raise
        return session

    async def use(
        self,
        operation: str,
        params: Mapping[str, Any] | None = None,
        *,
        radio: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> Use:
        """One metered use, checked before it is returned; signs a voucher where that is due or asked for.

        `UseRefused` where the gateway says no, `GatewayDown` after `patience_s`, `MeterDispute` for a wrong record.
        """
        asked: dict[str, Any] = {"requestId": request_id or uuid4().hex, "operation": operation, "params": params or {}}
        body = json.dumps(asked if radio is None else {**asked, "radio": radio}).encode()
        request_hash = sha256(body).digest()
        self.receipts.sending(request_hash)
        response = await self._insist("POST", f"/use/{self._agreement.subscription_id}", body)
        record = UsageRecord.from_json(header_of(response, "S4M-Record"))
        info = header_of(response, "S4M-Info")
        self.receipts.check_answer(operation, request_hash, record, info, response.content)
        self.receipts.take(record)
        self.receipts.check_proposal(header_of(response, "S4M-Voucher"))
        await self._sign_if_due()
        return Use(
            body=response.content,
            content_type=response.headers.get("Content-Type", ""),
            record=record,
            info=info,
            provenance=header_of(response, "S4M-Provenance") or None,
        )

    async def sign(self) -> int:
        """Sign all checked use and post the voucher; how many units are signed now."""
        async with self._signing:
            if self.receipts.has_gap:
                await self._catch_up()
            voucher, size = self.receipts.voucher()
            if size > self.receipts.signed_size:
                signature = to_hex(sign(self._session_key, self._agreement.domain, voucher))
                posted = {
                    "units": str(voucher.units),
                    "usageRoot": to_hex(voucher.usage_root),
                    "size": size,
                    "signature": signature,
                }
                path = f"/vouchers/{self._agreement.subscription_id}"
                response = await self._insist("POST", path, json.dumps(posted).encode())
                meter_signature = str(response.json()["meterSignature"])
                self.receipts.check_meter_signature(voucher, size, meter_signature)
                self.receipts.signed(voucher, size, signature, meter_signature)
                self.vouchers_signed += 1
            return int(voucher.units)

    async def passes(self) -> list[dict[str, Any]]:
        """Every pass that was used for this subscription, with what it spent."""
        told = await self._insist("GET", f"/passes/{self._agreement.subscription_id}")
        return list(told.json()["passes"])

    async def close(self, *, sign: bool = True) -> None:
        """Sign what is unsigned (unless told not to) and hang up."""
        try:
            if sign:
                await self.sign()
        finally:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close(sign=kind is None)

    async def _sign_if_due(self) -> None:
        receipts = self.receipts
        age_s = time.time() - receipts.oldest_unsigned_ms / 1000 if receipts.oldest_unsigned_ms else 0.0
        if receipts.unsigned_units and (receipts.unsigned_units >= self._habit.units or age_s >= self._habit.seconds):
            await self.sign()

    async def _insist(self, method: str, path: str, body: bytes = b"") -> httpx.Response:
        """Send until there is an answer: lost connections and passing failures again, tokens renewed, vouchers signed.

        The bytes stay the same, so the gateway knows a repeat by its request id.
        """
        give_up, pause, renewed = time.monotonic() + self._patience_s, 0.05, False
        while True:
            response = await self._once(method, path, body)
            code = _code(response)
            if response is not None and response.status_code < 400:
                return response
            if code in ("token_expired", "token_invalid") and not renewed:
                renewed = True
                self._token = (self._token[0], 0)
            elif response is not None and code == "voucher_required":
                await self._sign_what_is_asked(response)
            elif time.monotonic() > give_up or (response is not None and response.status_code not in PASSING):
                raise _refusal(response)
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, 1.0)

    async def _once(self, method: str, path: str, body: bytes) -> httpx.Response | None:
        """One try; None where the connection was lost."""
        try:
            token, expires = self._token
            if expires - time.time() < RENEW_BEFORE_S:
                await self._renew(token)
            return await self._http.request(method, path, content=body, auth=self._auth)
        except httpx.TransportError:
            return None
        except UseRefused as refusal:
            if refusal.http_status in PASSING:
                return None
            raise

    async def _bind(self, grace_s: float) -> None:
        """The first token; waits for a gateway that is starting and for an activation that is not final yet."""
        begun = time.monotonic()
        while True:
            waited = time.monotonic() - begun
            try:
                return await self._renew(self._token[0])
            except httpx.TransportError as cause:
                if waited > self._patience_s:
                    raise _refusal(None) from cause
            except UseRefused as refusal:
                passing = refusal.http_status in PASSING and waited <= self._patience_s
                if not passing and (refusal.server_code != "not_entitled" or waited > grace_s):
                    raise
            await asyncio.sleep(0.2)

    async def _renew(self, old: str) -> None:
        """A token to follow `old`, for the same proof key, by a fresh binding of the session key."""
        async with self._renewing:
            if self._token[0] != old:  # another use was first
                return
            expires = int(time.time()) + BINDING_S
            binding = SessionBinding(self._agreement.subscription_id, self._proof_key.jkt, expires)
            asked: dict[str, Any] = {
                "subscriptionId": str(binding.subscription_id),
                "jkt": binding.jkt,
                "expires": expires,
                "signature": to_hex(sign(self._session_key, self._agreement.domain, binding)),
            }
            if self._disclosures:
                asked["disclosures"] = self._disclosures
            auth = SessionAuth(lambda: None, self._proof_key)
            response = await self._http.post("/sessions", content=json.dumps(asked).encode(), auth=auth)
            if response.status_code >= 400:
                raise _refusal(response)
            answer = response.json()
            self._token = (str(answer["token"]), int(answer["expires"]))

    async def _sign_what_is_asked(self, response: httpx.Response) -> None:
        """After 402: our books first, then our signature; a voucher that does not fit them is disputed."""
        proposal = response.json()["voucher"]
        if int(proposal["size"]) > self.receipts.log.size:
            await self._catch_up()
        self.receipts.check_proposal(proposal)
        before = self.receipts.signed_size
        await self.sign()
        if self.receipts.signed_size == before and int(proposal["size"]) <= before:
            raise MeterDispute(
                before - 1, "voucher.size", f"credit again after {before} signed records", proposal["size"]
            )

    async def _catch_up(self) -> None:
        """Take over the part of the gateway's log that no answer brought, and what was signed before."""
        fresh = self.receipts.started_empty
        path = f"/usage/{self._agreement.subscription_id}/log?from={len(self.receipts.records)}"
        lines = [json.loads(line) for line in (await self._insist("GET", path)).text.splitlines()]
        if not fresh and len(lines) > 1:
            await self._acknowledge_delegates()
        for line in lines[1:]:
            record = UsageRecord.from_json(line["record"])
            (self.receipts.trust_first if fresh else self.receipts.adopt)(record)
        signed, proposed = lines[0].get("voucher"), lines[0].get("proposed")
        if signed:
            self.receipts.resume_signed(int(signed["size"]), str(signed["usageRoot"]))
        if proposed:
            self.receipts.check_proposal(proposed)

    async def _acknowledge_delegates(self) -> None:
        """Take what was asked by the buyer's passes for ours, as far as the delegates' own proofs show it."""
        from marketplace.wallet.passes import delegated

        subscription = self._agreement.subscription_id
        path = f"/passes/{subscription}?from={len(self.receipts.records)}"
        told = (await self._insist("GET", path)).json()
        granters = {self._session_key.address, self._agreement.buyer}
        for body_hash in delegated(told, self._agreement.domain, int(subscription), granters).values():
            self.receipts.sending(urlsafe_b64decode(body_hash + "="))


class BlockingUsage:
    """`UsageSession` for synchronous callers (the command line): same verbs, its own event loop."""

    def __init__(self, opening: Callable[[], Awaitable[UsageSession]]) -> None:
        self._runner = asyncio.Runner()
        try:
            self.session = self._runner.run(_awaited(opening))
        except BaseException:
            self._runner.close()
            raise

    @classmethod
    def open(cls, gateway_url: str, agreement: Agreement, session_key: WalletKey, **options: Any) -> Self:
        """As `UsageSession.open`."""
        return cls(lambda: UsageSession.open(gateway_url, agreement, session_key, **options))

    def use(self, operation: str, params: Mapping[str, Any] | None = None, **options: Any) -> Use:
        """As `UsageSession.use`."""
        return self._runner.run(self.session.use(operation, params, **options))

    def sign(self) -> int:
        """As `UsageSession.sign`."""
        return self._runner.run(self.session.sign())

    def passes(self) -> list[dict[str, Any]]:
        """As `UsageSession.passes`."""
        return self._runner.run(self.session.passes())

    def close(self, *, sign: bool = True) -> None:
        """As `UsageSession.close`."""
        try:
            self._runner.run(self.session.close(sign=sign))
        finally:
            self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(sign=kind is None)


async def _awaited(opening: Callable[[], Awaitable[UsageSession]]) -> UsageSession:
    return await opening()


def header_of(response: httpx.Response, name: str) -> dict[str, Any]:
    text = response.headers.get(name, "")
    value = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4))) if text else {}
    return value if isinstance(value, dict) else {}


def _code(response: httpx.Response | None) -> str:
    return str(problem_in(response).get("code", "")) if response is not None and response.status_code >= 400 else ""


def problem_in(response: httpx.Response) -> dict[str, Any]:
    with suppress(ValueError):
        body = response.json()
        if isinstance(body, dict):
            return body
    return {"code": "no_problem_document", "detail": response.text[:200]}


def _refusal(response: httpx.Response | None) -> UseRefused | GatewayDown:
    if response is None:
        return GatewayDown("no connection.", remedy="Start the house (`s4m up`), then repeat: nothing is billed twice.")
    return UseRefused(response.status_code, problem_in(response))
