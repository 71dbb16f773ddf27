"""base64url without padding (RFC 4648 §5, canonical only) and the one JSON form that gets hashed or signed."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode


def b64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64url(text: str) -> bytes:
    """ValueError for padding, foreign letters and non-canonical last letters."""
    raw = urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
    if b64url(raw) != text:
        raise ValueError("not canonical base64url")
    return raw


def canonical_json(value: object) -> bytes:
    """Sorted keys, no spaces, ASCII. For strings, integers and objects of them; equals RFC 8785 where text is ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
