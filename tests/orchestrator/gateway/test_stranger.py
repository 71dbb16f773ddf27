"""A client written from docs/reference/http-402.md alone: bare HTTP, own proofs, own log, no code of the wallet's.

Only EIP-712 signing is the house's (`ledger.typed_data`); any wallet library has it.
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from gateway_house import Bought, GatewayHouse

from ledger.keys import WalletKey
from ledger.typed_data import Domain, SessionBinding, Voucher, recover, sign
from ledger.values import SubscriptionId, Units


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unpacked(header: str) -> dict[str, Any]:
    return dict(json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4))))


def compact(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def leaf(record: dict[str, Any]) -> bytes:
    """SHA-256(0x00 ‖ 100 bytes): the record's fields, big-endian."""
    widths = (("subscriptionId", 12), ("seq", 8), ("meter", 4), ("quantity", 8), ("units", 8), ("total", 8),
              ("startMillis", 8), ("endMillis", 8), ("immersion", 4))  # fmt: skip
    packed = b"".join(int(record[name]).to_bytes(width) for name, width in widths)
    return sha256(b"\x00" + packed + bytes.fromhex(record["requestHash"][2:])).digest()


def root(leaves: list[bytes]) -> bytes:
    """RFC 6962."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


class Stranger:
    """One subscription's use over bare HTTP."""

    def __init__(self, url: str, subscription: int, session: WalletKey, domain: Domain, meter_key: str) -> None:
        self.subscription = subscription
        self.session = session
        self.domain = domain
        self.meter_key = meter_key
        self.key = Ed25519PrivateKey.generate()
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.jwk = {"crv": "Ed25519", "kty": "OKP", "x": b64(raw)}
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=20)
        self.token = ""
        self.records: list[dict[str, Any]] = []

    def post(self, path: str, document: object, token: str = "") -> httpx.Response:
        body = compact(document)
        claims = {
            "jti": uuid4().hex,
            "htm": "POST",
            "htu": path,
            "iat": int(time.time()),
            "bh": b64(sha256(body).digest()),
        }
        headers = {}
        if token:
            claims["ath"] = b64(sha256(token.encode()).digest())
            headers["Authorization"] = f"DPoP {token}"
        header = {"typ": "dpop+jwt", "alg": "EdDSA", "jwk": self.jwk}
        said = f"{b64(compact(header))}.{b64(compact(claims))}"
        headers["DPoP"] = f"{said}.{b64(self.key.sign(said.encode()))}"
        return self.http.post(path, content=body, headers=headers)

    def open(self) -> None:
        jkt, expires = b64(sha256(compact(self.jwk)).digest()), int(time.time()) + 600
        word = SessionBinding(SubscriptionId(self.subscription), jkt, expires)
        asked = {"subscriptionId": str(self.subscription), "jkt": jkt, "expires": expires, "signature": self.sign(word)}
        self.token = str(self.post("/sessions", asked).raise_for_status().json()["token"])

    def use(self, request_id: str) -> httpx.Response:
        asked = {"requestId": request_id, "operation": "frame", "params": {}}
        answer = self.post(f"/use/{self.subscription}", asked, self.token)
        if answer.status_code == 200:
            record = unpacked(answer.headers["S4M-Record"])
            assert record["requestHash"] == "0x" + sha256(compact(asked)).hexdigest()
            if int(record["seq"]) == len(self.records):
                self.records.append(record)
        return answer

    def pay(self, proposed: dict[str, Any]) -> dict[str, Any]:
        """Signs the voucher that its own records give, once the gateway's says the same under the meter key."""
        size = len(self.records)
        usage_root = sha256(b"\x02" + size.to_bytes(8) + root([leaf(record) for record in self.records])).digest()
        units = sum(int(record["units"]) for record in self.records)
        assert (proposed["size"], proposed["units"]) == (size, str(units))
        assert proposed["usageRoot"] == "0x" + usage_root.hex()
        voucher = Voucher(SubscriptionId(self.subscription), Units(units), usage_root)
        assert recover(self.domain, voucher, bytes.fromhex(proposed["meterSignature"][2:])) == self.meter_key
        posted = {
            "units": str(units),
            "usageRoot": "0x" + usage_root.hex(),
            "size": size,
            "signature": self.sign(voucher),
        }
        return dict(self.post(f"/vouchers/{self.subscription}", posted, self.token).raise_for_status().json())

    def sign(self, word: SessionBinding | Voucher) -> str:
        return "0x" + sign(self.session, self.domain, word).hex()


def stranger(house: GatewayHouse, bought: Bought) -> Stranger:
    opened = Stranger(house.url, int(bought.id), bought.session, house.contracts.market_domain, house.meter_key.address)
    opened.open()
    return opened


async def test_a_stranger_uses_is_asked_to_pay_and_goes_on(house: GatewayHouse) -> None:
    client = stranger(house, await house.served())
    asked = ""
    for number in range(6):
        answer = client.use(f"use-{number}")
        if answer.status_code == 402:
            asked = f"use-{number}"
            break
        assert answer.status_code == 200
    problem = answer.json()
    assert (asked, problem["code"]) == ("use-4", "voucher_required")
    assert client.pay(problem["voucher"])["accepted"] is True
    assert client.use(asked).status_code == 200
    assert client.use(asked).status_code == 200  # a repeat is answered and not billed
    assert len(client.records) == 5
    client.http.close()


async def test_a_voucher_that_the_records_do_not_give_is_refused(house: GatewayHouse) -> None:
    client = stranger(house, await house.served())
    client.use("once").raise_for_status()
    voucher = Voucher(SubscriptionId(client.subscription), Units(1), bytes(32))
    posted = {"units": "1", "usageRoot": "0x" + "00" * 32, "size": 1, "signature": client.sign(voucher)}
    refused = client.post(f"/vouchers/{client.subscription}", posted, client.token)
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_voucher")
    client.http.close()
