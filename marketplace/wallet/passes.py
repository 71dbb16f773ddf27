"""Passes at their holder and at the buyer: using one through the gateway, revoking, and checking what it was used for.

The holder's `PassSession` proves its own key on every call and signs no voucher: whoever gave the pass pays. For the
buyer, `delegated` believes no record that a delegate's own proof does not show.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from ledger.keys import WalletKey
from ledger.typed_data import Domain, PassRevocation, sign
from ledger.usage_log import UsageRecord
from ledger.values import Address, SubscriptionId, to_hex
from marketplace.errors import GatewayDown, MalformedInput
from marketplace.wallet.receipts import MeterDispute
from marketplace.wallet.use import UseRefused, header_of, problem_in
from trust import passes, proofs
from trust.auth import SessionAuth
from trust.errors import PassRefused, ProofInvalid
from trust.keys import ProofKey

RENEW_BEFORE_S = 20
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class DelegatedUse:
    """One answered use by a pass."""

    body: bytes
    content_type: str
    record: UsageRecord
    info: Mapping[str, Any]


class PassSession:
    """Use by a pass. Blocking; close it after."""

    def __init__(self, gateway_url: str, document: Mapping[str, Any], key: ProofKey) -> None:
        self._http = httpx.Client(base_url=gateway_url, timeout=TIMEOUT_S, trust_env=False)
        self._document = dict(document)
        self._key = key
        self._token: tuple[str | None, int] = (None, 0)

    def use(self, operation: str, params: Mapping[str, Any] | None = None, request_id: str = "") -> DelegatedUse:
        """One metered use; UseRefused where the gateway says no, GatewayDown where nobody answers."""
        asked = {"requestId": request_id or uuid4().hex, "operation": operation, "params": dict(params or {})}
        body = json.dumps(asked).encode()
        self._renew()
        answer = self._post(f"/use/{self._subscription}", body, self._token[0])
        record = UsageRecord.from_json(header_of(answer, "S4M-Record"))
        if record.request_hash != sha256(body).digest():
            raise MeterDispute(record.seq, "requestHash", "the request of this pass", to_hex(record.request_hash))
        return DelegatedUse(
            answer.content, answer.headers.get("Content-Type", ""), record, header_of(answer, "S4M-Info")
        )

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _subscription(self) -> int:
        return int(self._document["root"]["subscriptionId"])

    def _renew(self) -> None:
        if self._token[1] - time.time() < RENEW_BEFORE_S:
            answer = self._post("/pass-sessions", json.dumps({"document": self._document}).encode(), None).json()
            self._token = (str(answer["token"]), int(answer["expires"]))

    def _post(self, path: str, body: bytes, token: str | None) -> httpx.Response:
        try:
            answer = self._http.post(path, content=body, auth=SessionAuth(lambda: token, self._key))
        except httpx.TransportError as error:
            raise GatewayDown("no connection.", remedy="Start the house (`s4m up`), then repeat.") from error
        if answer.status_code >= 400:
            raise UseRefused(answer.status_code, problem_in(answer))
        return answer


def revoke(gateway_url: str, domain: Domain, key: WalletKey, subscription: int, pass_id: str) -> None:
    """Takes a pass back at the gateway, for good. `key` is the buyer's or the session key."""
    word = PassRevocation(SubscriptionId(subscription), bytes.fromhex(pass_id))
    body = {"passId": f"0x{pass_id}", "signature": to_hex(sign(key, domain, word))}
    try:
        answer = httpx.post(
            f"{gateway_url}/passes/{subscription}/revocations", json=body, trust_env=False, timeout=TIMEOUT_S
        )
    except httpx.TransportError as error:
        raise GatewayDown("no connection.", remedy="Start the house (`s4m up`), then repeat.") from error
    if answer.status_code >= 400:
        raise UseRefused(answer.status_code, problem_in(answer))


def delegated(told: Mapping[str, Any], domain: Domain, subscription: int, granters: set[Address]) -> dict[int, str]:
    """Record number → body hash (base64url) of each use that a delegate's own proof shows.

    `told` is the gateway's word; a chain that none of `granters` signed, and a proof of any other key than the pass',
    for another call, are left out: their records will be disputed.
    """
    holders = {}
    for document in told.get("documents", []):
        chain = _chain(document, domain)
        if chain is not None and chain.signer in granters and chain.last.subscription == subscription:
            holders[chain.last.id] = chain.last
    found = {}
    for use in told.get("uses", []):
        holder, proof = holders.get(str(use["passId"])), _proof(str(use["proof"]), subscription)
        if holder is not None and proof is not None and proof.jkt == holder.jkt and proof.issued <= holder.expires:
            found[int(use["seq"])] = proof.body_hash
    return found


def _chain(document: object, domain: Domain) -> passes.PassChain | None:
    try:
        return passes.read(document, domain)
    except PassRefused:
        return None


def _proof(compact: str, subscription: int) -> proofs.Proof | None:
    targets = (f"/use/{subscription}", f"/gateway/use/{subscription}")
    try:
        return proofs.check_past(compact, method="POST", targets=targets)
    except ProofInvalid:
        return None


def load(path: Path) -> dict[str, Any]:
    """A pass document; MalformedInput where the file holds none."""
    try:
        document = json.loads(path.read_text())
        int(document["root"]["subscriptionId"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MalformedInput(f"{path} holds no pass: {error}.", remedy="Give a file of `s4m pass grant`.") from error
    return dict(document)
