"""What only those may read or change whom a subscription concerns: decisions and request. Used by `s4m` and tests.

Each `OwnService` makes a proof key of its own and signs a SessionBinding over it with the key it was given: a session
key, the buyer's, or that of the model's owner. It keeps nothing.
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

import httpx

from ledger.keys import WalletKey
from ledger.typed_data import Domain, RequestUpdate, SessionBinding, sign
from ledger.values import SubscriptionId, to_hex
from marketplace.client import streams
from marketplace.client.connection import problem_in
from marketplace.documents import hash_of
from marketplace.errors import MarketplaceDown, ProblemAnswer
from trust.auth import SessionAuth
from trust.keys import ProofKey

HEADER = "S4M-Session-Binding"
BINDING_S = 600
"""Life of a binding, seconds; a new one is signed for each call."""
_START = "Start it with `s4m up`, or correct the address."


class OwnService:
    """One subscription, as one key may see it. Close it, or use it as a context manager."""

    def __init__(self, api_url: str, domain: Domain, subscription_id: SubscriptionId, key: WalletKey) -> None:
        self.subscription_id = subscription_id
        self._domain = domain
        self._key = key
        self._proof_key = ProofKey.generate()
        auth = SessionAuth(lambda: None, self._proof_key)
        self._http = httpx.Client(base_url=api_url, auth=auth, timeout=60.0, trust_env=False)

    def __enter__(self) -> OwnService:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def decisions(self) -> dict[str, Any]:
        """Steps I to III with candidates, lacks, offers, bound and gap; of a refusal what would make it feasible."""
        return dict(self._call("GET", f"/decisions/{self.subscription_id}"))

    def notices(self, since: int = 0) -> list[dict[str, Any]]:
        """What there is after a number, oldest first."""
        return list(self._call("GET", f"{self._notices}?since={since}")["notices"])

    def follow(self, since: int = 0) -> Iterator[dict[str, Any]]:
        """Notices as they come, for ever; a stream that ends or breaks is taken up where it was.

        Raises ProblemAnswer where the reader may read no more, MarketplaceDown where nobody answers for a minute.
        """
        for event in streams.follow(self._http, self._notices, str(since), lambda: {HEADER: self.binding()}):
            yield event.data

    @property
    def _notices(self) -> str:
        return f"/subscriptions/{self.subscription_id}/notices"

    def _stream(self, last: int) -> Iterator[dict[str, Any]]:
        """One connection's notices."""
        for event in streams.read(self._http, self._notices, str(last), {HEADER: self.binding()}):
            yield event.data

    def update_request(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Signs the document as the next revision of the request and puts it; the answer is the accepted update.

        Only the session key may. Raises ProblemAnswer: `update_refused` where the service runs on as it was.
        """
        revision = 1 + max((int(one["revision"]) for one in self.decisions()["updates"]), default=0)
        deadline = int(time.time()) + BINDING_S
        digest = hash_of(dict(document))
        signed = sign(self._key, self._domain, RequestUpdate(self.subscription_id, digest, revision, deadline))
        body = {
            "document": dict(document), "requirementsHash": to_hex(digest), "revision": revision,
            "deadline": deadline, "signature": to_hex(signed),
        }  # fmt: skip
        return dict(self._call("PUT", f"/subscriptions/{self.subscription_id}/request", json=body))

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._http.request(method, path, headers={HEADER: self.binding()}, **options)
        except httpx.TransportError as error:
            why = f"no answer from {self._http.base_url.host} ({type(error).__name__})."
            raise MarketplaceDown(why, remedy=_START) from error
        if answer.is_error:
            raise ProblemAnswer(answer.status_code, problem_in(answer))
        return answer.json()

    def binding(self) -> str:
        """The header's value: base64url of the binding and its signature, as JSON."""
        jkt, expires = self._proof_key.jkt, int(time.time()) + BINDING_S
        signature = sign(self._key, self._domain, SessionBinding(self.subscription_id, jkt, expires))
        document = {"jkt": jkt, "expires": expires, "signature": to_hex(signature)}
        return urlsafe_b64encode(json.dumps(document, separators=(",", ":")).encode()).rstrip(b"=").decode()
