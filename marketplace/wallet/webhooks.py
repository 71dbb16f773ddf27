"""An owner's webhooks, by the owner's key. Used by programs that want to be told rather than ask; it keeps nothing."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence

from ledger.signer import Signer
from ledger.typed_data import Domain, Message, sign
from ledger.values import SubscriptionId, to_hex
from marketplace.answers import DeliveryAnswer, SecretAnswer, WebhookAnswer
from marketplace.client.connection import Connection
from marketplace.webhooks.words import HEADER, WebhookReading, WebhookRegistration, WebhookRemoval

GOOD_FOR_S = 300
"""Life of a signed word, seconds; a new one is signed for each call."""


class OwnWebhooks:
    """Of one owner."""

    def __init__(self, connection: Connection, domain: Domain, owner: Signer) -> None:
        self._connection = connection
        self._domain = domain
        self._owner = owner

    def register(self, url: str, kinds: Sequence[str], subscription_id: int | None = None) -> WebhookAnswer:
        """Events of these kinds are told to `url`: of one subscription, or of all that the owner bought or sells."""
        expires = int(time.time()) + GOOD_FOR_S
        subscription = SubscriptionId(subscription_id or 0)
        word = WebhookRegistration(self._owner.address, url, ",".join(kinds), subscription, expires)
        body = {
            "owner": self._owner.address, "url": url, "kinds": list(kinds), "expires": expires,
            "subscriptionId": None if subscription_id is None else str(subscription_id),
            "signature": to_hex(sign(self._owner, self._domain, word)),
        }  # fmt: skip
        return self._connection.ask(WebhookAnswer, "POST", "/webhooks", json=body)

    def all(self) -> list[WebhookAnswer]:
        """The owner's webhooks."""
        return self._connection.all(WebhookAnswer, "/webhooks", headers=self._word(WebhookReading, "*"))

    def secret(self, webhook_id: str) -> str:
        """What its messages are signed with: `whsec_` and base64."""
        headers = self._word(WebhookReading, webhook_id)
        path = f"/webhooks/{webhook_id}/secret"
        return self._connection.ask(SecretAnswer, "GET", path, headers=headers)["secret"]

    def deliveries(self, webhook_id: str) -> list[DeliveryAnswer]:
        """What was sent or is to be, the dead messages too."""
        headers = self._word(WebhookReading, webhook_id)
        return self._connection.all(DeliveryAnswer, f"/webhooks/{webhook_id}/deliveries", headers=headers)

    def remove(self, webhook_id: str) -> None:
        """Nothing more is told."""
        self._connection.call("DELETE", f"/webhooks/{webhook_id}", headers=self._word(WebhookRemoval, webhook_id))

    def _word(self, kind: Callable[[str, int], Message], webhook_id: str) -> dict[str, str]:
        expires = int(time.time()) + GOOD_FOR_S
        signature = to_hex(sign(self._owner, self._domain, kind(webhook_id, expires)))
        document = json.dumps({"expires": expires, "signature": signature}, separators=(",", ":"))
        return {HEADER: urlsafe_b64encode(document.encode()).rstrip(b"=").decode()}
