"""Who may see the operator desk: the bearer of a pass that the trust domain's owner signed (EIP-712 OperatorPass).

`s4m trust pass` makes one with the operator's key, or the owner's wallet signs one in the browser; a cookie carries it.
A place alone (loopback) would not do: behind a proxy on the same machine everybody comes from there (decision 36).
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from ledger.errors import SignatureMalformed
from ledger.keys import WalletKey
from ledger.typed_data import Domain, OperatorPass, recover, sign
from ledger.values import Address, from_hex, to_hex
from marketplace.errors import OperatorOnly

COOKIE = "s4m-operator"
LONGEST_S = 12 * 3_600
"""Longest life of a pass, seconds: a working day."""
_REMEDY = "Make a pass with `s4m trust pass`, and give it at /operator."


def issue(key: WalletKey, market: Domain, domain: str, expires: int) -> str:
    """A pass for the trust domain of that name until `expires`, UTC seconds."""
    signature = sign(key, market, OperatorPass(domain, expires))
    return pack(domain, expires, to_hex(signature))


def pack(domain: str, expires: int, signature: str) -> str:
    document = {"domain": domain, "expires": expires, "signature": signature}
    return urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def require(text: str, market: Domain, domain: str, owner: Address, now: float) -> int:
    """When the pass ends, UTC seconds; `OperatorOnly` for whatever is not the owner's valid pass."""
    found, signature = _read(text)
    try:
        signer = recover(market, found, signature)
    except (SignatureMalformed, ValueError, OverflowError) as error:
        raise OperatorOnly("the pass's signature cannot be read.", remedy=_REMEDY) from error
    if found.domain != domain or signer != owner:
        raise OperatorOnly(f"the pass is not signed by the owner of {domain}.", remedy=_REMEDY)
    if not 0 < found.expires - now <= LONGEST_S:
        raise OperatorOnly(f"the pass has ended, or is for more than {LONGEST_S // 3_600} hours.", remedy=_REMEDY)
    return found.expires


def _read(text: str) -> tuple[OperatorPass, bytes]:
    if not text:
        raise OperatorOnly("nobody is signed in.", remedy=_REMEDY)
    try:
        given: dict[str, Any] = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return OperatorPass(str(given["domain"]), int(given["expires"])), from_hex(str(given["signature"]))
    except (ValueError, KeyError, TypeError) as error:
        raise OperatorOnly("the pass cannot be read.", remedy=_REMEDY) from error
