"""What a plan requires of its buyer, looked at before money is reserved. The gateway looks again at every session.

Disclosures are held against the chain and dropped: no table, log or answer has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ledger.claims import Disclosure, first_unmet
from ledger.metering import Terms, TermsInvalid
from ledger.typed_data import Order
from ledger.values import to_hex
from marketplace.errors import ClaimRequired, MalformedInput
from marketplace.parts import Parts


def require_claims(parts: Parts, order: Order, shown: Sequence[dict[str, Any]]) -> None:
    """ClaimRequired unless the buyer has all that the plan's terms require; MalformedInput for a malformed claim."""
    try:
        disclosures = [Disclosure.parse(each) for each in shown]
    except ValueError as error:
        raise MalformedInput(f"a disclosure is malformed: {error}.", remedy="Send what its issuer gave.") from error
    terms = _terms(parts, order)
    unmet = first_unmet(parts.contracts.identity, order.buyer, terms.requires, disclosures) if terms else None
    if unmet is not None:
        why = f"it asks for {unmet}; no disclosure shows that of {order.buyer}."
        raise ClaimRequired(why, remedy="Get it attested by that issuer, and send its disclosure with the order.")


def _terms(parts: Parts, order: Order) -> Terms | None:
    """The plan's terms; None where nobody has put the document, or it is none: then the gateway serves nothing."""
    document = parts.documents.document(to_hex(parts.contracts.catalog.plan(order.plan_id).terms.terms_hash))
    try:
        return None if document is None else Terms.parse(document)
    except TermsInvalid:
        return None
