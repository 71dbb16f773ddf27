"""Every OpenAPI document of a running house, and who may rightly make each of its calls.

`Described.examine` has schemathesis make requests of one operation's description, good and broken ones, sends them over
HTTP, and holds each answer to the description.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ledger.account_signature import text_digest
from ledger.keys import WalletKey
from ledger.typed_data import SessionBinding, sign
from ledger.values import SubscriptionId, to_hex
from marketplace.identity.sign_ins import KEY
from s4m.supervisor import House
from trust import siwe
from trust.auth import GateAuth, SessionAuth
from trust.keys import ProofKey
from trust.policy import Policy, Row

APPS = ("marketplace", "orchestrator", "msmf", "vmof", "mmf", "gateway")
CHECKS: list[Any] = [
    status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance,
]  # fmt: skip
STREAM = "text/event-stream"
Sent = Callable[[Any], httpx.Response]


@schemathesis.serializer("application/jsonl")
def jsonl(_context: Any, value: Any) -> bytes:
    """A usage log as it is sent to be audited; a broken one may be anything."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


@dataclass
class Person:
    """A buyer who signed in, and has a running subscription and its session key."""

    subscription: str
    wallet: WalletKey
    session_key: WalletKey
    key: ProofKey

    def session(self, house: House) -> SessionAuth:
        """The credentials of the subscription's own session at the gateway."""
        expires = int(datetime.now(UTC).timestamp()) + 3_000
        binding = SessionBinding(SubscriptionId(int(self.subscription)), self.key.jkt, expires)
        signature = to_hex(sign(self.session_key, house.contracts.market_domain, binding))
        asked = {
            "subscriptionId": self.subscription, "jkt": self.key.jkt, "expires": expires, "signature": signature,
        }  # fmt: skip
        return self._opened(f"{house.urls.gateway}/sessions", asked)

    def account(self, house: House) -> SessionAuth:
        """The credentials of a person who signed in at the marketplace."""
        api = f"{house.urls.marketplace}/api/v1"
        told = httpx.post(f"{api}/sign-ins/nonces").raise_for_status().json()
        text = siwe.text(
            siwe.Message(
                domain=told["domain"],
                address=self.wallet.address,
                uri=told["uri"],
                chain_id=told["chainId"],
                nonce=told["nonce"],
                issued_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                statement=told["statement"],
                resources=(KEY + self.key.jkt,),
            )
        )
        asked = {"message": text, "signature": to_hex(self.wallet.sign_digest(text_digest(text)))}
        return self._opened(f"{api}/sign-ins", asked)

    def _opened(self, url: str, asked: dict[str, Any]) -> SessionAuth:
        answer = httpx.post(url, json=asked, auth=SessionAuth(lambda: None, self.key))
        token = str(answer.raise_for_status().json()["token"])
        return SessionAuth(lambda: token, self.key)


class Described:
    """One app of the house as its document has it."""

    def __init__(self, house: House, app: str, person: Person) -> None:
        self.app = app
        self.url = address_of(house, app)
        self._house = house
        self._person = person
        self._http = httpx.Client(trust_env=False, timeout=20)
        path = "/api/v1/openapi.json" if app == "marketplace" else "/openapi.json"
        document = self._http.get(self.url + path, auth=self._component("operator")).raise_for_status().json()
        self.schema = schemathesis.openapi.from_dict(document)
        self.schema.config.update(base_url=self.url)

    def close(self) -> None:
        self._http.close()

    @property
    def operations(self) -> list[Any]:
        return [found.ok() for found in self.schema.get_all_operations()]

    def row(self, operation: Any) -> Row:
        """The policy's row of an operation: every one has one."""
        row = Policy.load().find(self.app, operation.method.upper(), operation.path)
        assert row is not None, f"{self.app} {operation.label} is described and always refused"
        return row

    def rightful(self, operation: Any) -> httpx.Auth | None:
        """Whom the policy lets make this call; None where nobody need prove anything."""
        row = self.row(operation)
        if row.callers:
            return self._component(sorted(row.callers)[0])
        if "session" in row.access:
            return self._person.session(self._house)
        if "account" in row.access:
            return self._person.account(self._house)
        return SessionAuth(lambda: None, self._person.key) if row.proof else None

    def examine(self, operation: Any, auth: httpx.Auth | None, examples: int, *, broken: bool = True) -> None:
        """AssertionError, or schemathesis' FailureGroup with the request, for an answer that is not as described."""
        breakable = any(map(len, (operation.query, operation.headers, operation.body)))  # any text fits in a path
        modes = [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if broken and breakable else [])]
        ours = {"subscriptionId": self._person.subscription} if "session" in self.row(operation).access else None
        for mode in modes:

            @settings(
                max_examples=examples,
                derandomize=True,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(operation.as_strategy(generation_mode=mode, path_parameters=ours))
            def each(case: Any) -> None:
                self.check(case, self.send(case, auth))

            try:
                each()
            except Unsatisfiable:  # a call without any parameter cannot be broken
                assert mode is GenerationMode.NEGATIVE

    def send(self, case: Any, auth: httpx.Auth | None) -> httpx.Response:
        """The answer; of a stream its head alone. What HTTP itself cannot carry is no example."""
        asked = case.as_transport_kwargs(base_url=self.url)
        try:
            headers = {name: str(value).encode("latin-1") for name, value in asked["headers"].items()}
            with self._http.stream(
                asked["method"], asked["url"], params=asked.get("params"), headers=headers, auth=auth,
                content=_content(asked),
            ) as answer:  # fmt: skip
                if not _is_stream(answer):
                    answer.read()
                return answer
        except (UnicodeEncodeError, httpx.LocalProtocolError, httpx.InvalidURL):
            reject()

    @staticmethod
    def check(case: Any, answer: httpx.Response) -> None:
        """No 5xx, and as described."""
        if not answer.is_stream_consumed:
            return
        assert answer.status_code < 500, f"{case.as_curl_command()}\n{answer.status_code} {answer.text}"
        case.validate_response(answer, checks=CHECKS)

    def machine(self) -> type[Any]:
        """Schemathesis' state machine: answers' ids become the parameters of later calls, by rightful callers."""
        described = self
        auths = {operation.label: described.rightful(operation) for operation in described.operations}

        class Machine(described.schema.as_state_machine()):  # type: ignore[misc]
            def call(self, case: Any, **_options: Any) -> Any:
                answer = described.send(case, auths[case.operation.label])
                described.check(case, answer)
                return Response.from_any(answer)

            def validate_response(self, *_arguments: Any, **_options: Any) -> None:
                """Done where the answer still is httpx's."""

        return Machine

    def _component(self, name: str) -> GateAuth:
        return GateAuth(self._house.keys.component(name), self.app)


def address_of(house: House, app: str) -> str:
    """MSMF, VMOF and MMF are mounted in the orchestrator."""
    program = app if app in ("marketplace", "gateway") else "orchestrator"
    return str(getattr(house.urls, program)) + (f"/{app}" if app in ("msmf", "vmof", "mmf") else "")


def _content(asked: dict[str, Any]) -> bytes | str | None:
    if "json" in asked:
        return json.dumps(asked["json"]).encode()
    data = asked.get("data")
    return data if data is None or isinstance(data, bytes | str) else str(data)


def _is_stream(answer: httpx.Response) -> bool:
    follows = answer.request.url.params.get("follow") or answer.headers.get("content-type", "").startswith(STREAM)
    return answer.status_code == 200 and bool(follows)
