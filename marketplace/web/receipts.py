"""Receipts of a subscription, as page, CSV and PDF: every movement of money with the transaction that made it.

All figures are of final or newest chain events; who wants can look each hash up in any explorer.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from marketplace.activity import WantedActivity, answer, rows_after
from marketplace.answers import ActivityAnswer
from marketplace.parts import Parts
from marketplace.places import BEGINNING
from marketplace.subscriptions.service import chain_side
from marketplace.web.pages import page
from marketplace.web.words import decimal, moment, money

MOST = 1_000
WORDS = {
    "Subscribed": {"reserved": "Bought: reserved for use and time"},
    "CapRaised": {"amount": "Topped up: reserved for more use"},
    "Renewed": {"amount": "Renewed: reserved for more time"},
    "Settled": {"amount": "Use settled and paid to the provider"},
    "TimeCollected": {"amount": "Time paid to the provider"},
    "ReleaseRequested": {
        "time_paid": "Release asked for: time so far, paid to the provider",
        "time_refunded": "Release asked for: unused time, returned to you",
    },
    "Released": {"refunded": "Ended: unused units, returned to you"},
    "Refunded": {"amount": "Refunded: returned to you"},
}
"""Event → each field that holds money of it, and what that is called on a receipt."""


@dataclass(frozen=True)
class Line:
    """One movement: UTC seconds, in words, smallest units of the token, the transaction."""

    at: int
    event: str
    words: str
    amount: int
    tx_hash: str


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.get("/services/{id}/receipt")
    def receipt(request: Request, id: str) -> Response:
        buyer = chain_side(parts, id).buyer
        return page(request, "receipt.html", title="Receipt", id=id, buyer=buyer, lines=lines_of(parts, id))

    @routes.get("/services/{id}/receipt.csv")
    def receipt_csv(id: str) -> Response:
        chain_side(parts, id)
        return _download(as_csv(lines_of(parts, id)), "text/csv", f"receipt-{id}.csv")

    @routes.get("/services/{id}/receipt.pdf")
    def receipt_pdf(id: str) -> Response:
        buyer = chain_side(parts, id).buyer
        return _download(as_pdf(id, buyer, lines_of(parts, id)), "application/pdf", f"receipt-{id}.pdf")

    return routes


def lines_of(parts: Parts, subscription_id: str) -> list[Line]:
    """The movements of one subscription, oldest first."""
    parts.projection.refresh()
    rows = rows_after(parts, BEGINNING, WantedActivity(subscriptionId=subscription_id).conditions(), MOST)
    return lines(answer(row) for row in rows)


def lines(events: Iterable[ActivityAnswer]) -> list[Line]:
    """One for each movement of money; what moved none is left out."""
    return [
        Line(event["at"], event["name"], words, amount, event["txHash"])
        for event in events
        for field, words in WORDS.get(event["name"], {}).items()
        if (amount := int(event["fields"].get(field, 0)))
    ]


def as_csv(movements: list[Line]) -> bytes:
    """With a head; amounts are whole credits, as people's tables want them."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["time_utc", "event", "description", "amount_maas", "transaction"])
    for line in movements:
        amount = decimal(line.amount).replace(",", "")
        table.writerow([moment(line.at), line.event, line.words, amount, line.tx_hash])
    return out.getvalue().encode()


def as_pdf(subscription_id: str, buyer: str, movements: list[Line]) -> bytes:
    """One A4 document; the transaction stands under its movement."""
    from fpdf import FPDF  # takes half a second to import, and few ask for it

    document = FPDF()
    document.set_title(f"Receipt of subscription {subscription_id}")
    document.add_page()
    document.set_font("Helvetica", "B", 18)
    document.cell(0, 12, "Slicing4Meta: receipt", new_x="LMARGIN", new_y="NEXT")
    document.set_font("Helvetica", size=10)
    for text in (f"Subscription {subscription_id}", f"Buyer {buyer}"):
        document.cell(0, 6, text, new_x="LMARGIN", new_y="NEXT")
    for line in movements:
        document.ln(3)
        document.set_font("Helvetica", "B", 10)
        document.cell(0, 6, f"{moment(line.at)}   {money(line.amount)}", new_x="LMARGIN", new_y="NEXT")
        document.set_font("Helvetica", size=9)
        document.cell(0, 5, line.words, new_x="LMARGIN", new_y="NEXT")
        document.cell(0, 5, line.tx_hash, new_x="LMARGIN", new_y="NEXT")
    return bytes(document.output())


def _download(content: bytes, media_type: str, name: str) -> Response:
    return Response(content, headers={"content-disposition": f'attachment; filename="{name}"'}, media_type=media_type)
