"""POST, GET, DELETE /webhooks; a webhook's secret and deliveries. Each on the owner's signed word."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from marketplace.answers import DeliveryAnswer, Page, SecretAnswer, WebhookAnswer
from marketplace.errors import (
    BadSignature,
    MalformedCursor,
    MalformedInput,
    TooManyWebhooks,
    UnknownWebhook,
    WebhookRefused,
)
from marketplace.openapi import problems
from marketplace.pagination import Window, page_of, window
from marketplace.parts import Parts
from marketplace.webhooks import service
from marketplace.webhooks.schemas import WebhookRequest
from marketplace.webhooks.words import WordHeader


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["webhooks"])

    @routes.post(
        "/webhooks", status_code=201, responses=problems(MalformedInput, WebhookRefused, BadSignature, TooManyWebhooks)
    )
    def post_webhook(request: WebhookRequest) -> WebhookAnswer:
        """Have events told to an address, on the owner's signature. The same registration twice is one webhook."""
        return service.register(parts, request)

    @routes.get("/webhooks", responses=problems(BadSignature, MalformedInput, MalformedCursor))
    def list_webhooks(
        request: Request, page: Annotated[Window, Depends(window)], word: WordHeader = ""
    ) -> Page[WebhookAnswer]:
        """The signer's own webhooks; the word is a WebhookReading of `*`."""
        found = service.listed(parts, word, page)
        return page_of(request, page, found, lambda hook: (hook["webhookId"],))

    @routes.get("/webhooks/{webhookId}/secret", responses=problems(UnknownWebhook, BadSignature))
    def get_secret(webhookId: str, word: WordHeader = "") -> SecretAnswer:
        """What its messages are signed with; the word is a WebhookReading."""
        return service.secret(parts, webhookId, word)

    @routes.get(
        "/webhooks/{webhookId}/deliveries",
        responses=problems(UnknownWebhook, BadSignature, MalformedInput, MalformedCursor),
    )
    def list_deliveries(
        request: Request, webhookId: str, page: Annotated[Window, Depends(window)], word: WordHeader = ""
    ) -> Page[DeliveryAnswer]:
        """Its messages, the dead ones too; the word is a WebhookReading."""
        found = service.sent(parts, webhookId, word, page)
        return page_of(request, page, found, lambda message: (message["messageId"],))

    @routes.delete("/webhooks/{webhookId}", status_code=204, responses=problems(UnknownWebhook, BadSignature))
    def delete_webhook(webhookId: str, word: WordHeader = "") -> Response:
        """Have no more told; the word is a WebhookRemoval."""
        service.remove(parts, webhookId, word)
        return Response(status_code=204)

    return routes
