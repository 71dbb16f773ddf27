"""Secrets of webhooks, and the signature of a message (Standard Webhooks: HMAC-SHA256 over id, time and body).

A secret is derived from this home's key and the webhook's id: none lies in a table.
"""

from __future__ import annotations

import hmac
import os
import secrets
from base64 import b64encode
from hashlib import sha256
from pathlib import Path


class SecretKeeper:
    """Derives secrets. Its key file is made once, mode 0600."""

    def __init__(self, file: Path) -> None:
        self._key = _load_or_create(file)

    def secret(self, webhook_id: str) -> bytes:
        """32 bytes, the same for the same webhook for ever."""
        return hmac.digest(self._key, f"webhook:{webhook_id}".encode(), sha256)

    def shown(self, webhook_id: str) -> str:
        """As its owner is told it: `whsec_` and base64."""
        return "whsec_" + b64encode(self.secret(webhook_id)).decode()


def headers_of(secret: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a message; `timestamp` in UTC seconds is part of what is signed."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = b64encode(hmac.digest(secret, signed, sha256)).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
        "Content-Type": "application/json",
    }


def _load_or_create(file: Path) -> bytes:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_bytes()
    with os.fdopen(descriptor, "wb") as written:
        key = secrets.token_bytes(32)
        written.write(key)
    return key
