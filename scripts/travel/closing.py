"""After the walk: settle the vouchers, execute the release, pay the providers, audit, and put it all into the report.

Called by scripts/virtual_travel.py once the travellers are home. Every figure is read from the chain, from the house's
own answers or from the travellers' own logs; nothing is assumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx

from ledger.chain import Chain
from ledger.events import AssetMinted, ChainEvent, Settled
from ledger.metering import Terms
from ledger.sender import Sender
from ledger.values import SubscriptionId, model_of, plan_of
from marketplace.audit.facts import MarketFacts, SubscriptionFacts, fold
from marketplace.audit.logs import read
from marketplace.audit.service import ALL_PROOFS, Auditor
from marketplace.projection import addresses_of
from marketplace.wallet.client import MarketClient
from s4m.reference import PROVIDERS
from s4m.supervisor import House
from scripts.travel.company import Member
from scripts.travel.inputs import TravelInputs
from scripts.travel.report import immersion_summary, quantile
from trust.auth import GateAuth

PATIENCE_S = 60.0
DEVNET_SCALE = 100
T = TypeVar("T")


def close_books(
    house: House, members: list[Member], inputs: TravelInputs
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The report and the table's rows."""
    operator = Operator(house)
    settlement = operator.settle_all(members)
    leavers = [trip for member in members if member.released for trip in _trips(member)]
    _execute_releases(house, [int(trip["subscriptionId"]) for trip in leavers])
    payouts = _pay_out(house)
    services = operator.services()
    audit = _audit(house, members)
    events = house.chain.logs(
        house.deployment.block_number, house.chain.latest().number, addresses_of(house.deployment)
    )
    facts = fold(events)
    minted = sum(isinstance(entry.event, AssetMinted) for entry in events)
    rows = [_row(member, facts) for member in members]
    report = {
        "inputs": {"kind": inputs.kind, "files": inputs.files},
        "scale": {"pixels": f"1 K is 96x48 pixels, 1/{DEVNET_SCALE} of 960x480", "link_bits": DEVNET_SCALE},
        "travellers": [{**row, **{name: str(row[name]) for name in ("units", "paid", "refunded")}} for row in rows],
        "subscriptions": len(facts.subscriptions),
        "msis": len({service["msi"] for service in services if service["msi"]}),
        "msis_reused": sum(bool(service["reused"]) for service in services),
        "usage_records": sum(trip["records"] for member in members for trip in _trips(member)),
        "vouchers_settled": settlement["vouchers"],
        "settle_gas_per_voucher": settlement["gas_per_voucher"],
        "paid": str(sum(one.spent for one in facts.subscriptions.values())),
        "refunded": str(sum(one.returned for one in facts.subscriptions.values())),
        "paid_out": {name: str(amount) for name, amount in payouts.items()},
        "assets_minted": minted,
        "meta_immersion": immersion_summary([sample for row in rows for sample in row["samples"]]),
        "latency_ms": _latencies(services),
        "audit": audit.to_json(),
        "set_up_s": house.timings,
    }
    report["failures"] = list(_failures(report, members, facts, services))
    report["ok"] = not report["failures"]
    return report, rows


class Operator:
    """The operator's hand on the orchestrator: its own key, through the gate like everybody else."""

    def __init__(self, house: House) -> None:
        self._url = house.urls.orchestrator
        self._auth = GateAuth(house.keys.component("operator"), "orchestrator")
        self._house = house

    def settle_all(self, members: list[Member]) -> dict[str, int]:
        """Settles until the chain has every unit that was signed; sums vouchers and gas of all settlements so far."""
        due = {int(trip["subscriptionId"]): int(trip["units"]) for member in members for trip in _trips(member)}
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up and not self._all_used(due):
            self._call("POST", "/settlements")
            time.sleep(0.2)
        return self._settled()

    def services(self) -> list[dict[str, Any]]:
        """Every subscription as the orchestrator sees it."""
        return list(self._call("GET", "/subscriptions")["subscriptions"])

    def _all_used(self, due: dict[int, int]) -> bool:
        market = self._house.contracts.market
        return all(market.subscription(one).used >= units for one, units in due.items())

    def _settled(self) -> dict[str, int]:
        """From the receipts of all settlement transactions on the chain."""
        entries = _events(self._house)
        transactions = [entry.tx_hash for entry in entries if isinstance(entry.event, Settled)]
        gas = sum(_gas_used(self._house.chain, tx_hash) for tx_hash in set(transactions))
        return {"vouchers": len(transactions), "gas_per_voucher": gas // max(1, len(transactions))}

    def _call(self, method: str, path: str) -> Any:
        def once() -> Any:
            with httpx.Client(base_url=self._url, auth=self._auth, timeout=60.0) as http:
                return http.request(method, path).raise_for_status().json()

        return insist(once)


def insist(once: Callable[[], T]) -> T:
    """Again while the orchestrator is away; it comes back by itself."""
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            return once()
        except (httpx.TransportError, httpx.HTTPStatusError) as error:
            passing = not isinstance(error, httpx.HTTPStatusError) or error.response.status_code >= 500
            if not passing or time.monotonic() > give_up:
                raise
            time.sleep(0.2)


def _trips(member: Member) -> list[dict[str, Any]]:
    return list(member.done["trips"]) if member.done else []


def _gas_used(chain: Chain, tx_hash: str) -> int:
    receipt = chain.receipt(tx_hash)
    return receipt.gas_used if receipt else 0


def _execute_releases(house: House, subscriptions: list[int]) -> None:
    """The owner of the services executes at once what their buyers requested: the rest returns to them."""
    if not subscriptions:
        return
    provider = PROVIDERS["Composite"]
    with Sender(house.chain, house.keys.account(provider), house.home / "db" / f"{provider}-sends.db") as sender:
        for one in subscriptions:
            sender.send(house.contracts.market.release(one), key=f"release:{one}")


def _pay_out(house: House) -> dict[str, int]:
    """Every provider draws what its models earned: components their shares, then owners the rest."""
    market, paid = house.contracts.market, dict.fromkeys(PROVIDERS.values(), 0)
    accounts = {name: house.keys.account(name) for name in PROVIDERS.values()}
    before = {name: house.contracts.credit.balance_of(key.address) for name, key in accounts.items()}
    plans = sorted({plan_of(SubscriptionId(one)) for one in fold(_events(house)).subscriptions})
    senders = {name: Sender(house.chain, key, house.home / "db" / f"{name}-sends.db") for name, key in accounts.items()}
    owner_of = {key.address: name for name, key in accounts.items()}
    try:
        for plan in plans:
            for share in house.contracts.catalog.shares(plan):
                name = owner_of[house.contracts.catalog.owner_of(share.model_id)]
                if market.share_pending(plan, share.model_id):
                    senders[name].send(market.payout_share(plan, share.model_id), key=f"share:{plan}:{share.model_id}")
            earnings = market.earnings_of(plan)
            if earnings.earned > earnings.paid:
                name = owner_of[house.contracts.catalog.owner_of(model_of(plan))]
                senders[name].send(market.payout(plan), key=f"payout:{plan}")
    finally:
        for sender in senders.values():
            sender.close()
    for name, key in accounts.items():
        paid[name] = house.contracts.credit.balance_of(key.address) - before[name]
    return paid


def _events(house: House) -> list[ChainEvent]:
    """The whole history of this deployment."""
    latest = house.chain.latest()
    return house.chain.logs(house.deployment.block_number, latest.number, addresses_of(house.deployment))


def _audit(house: House, members: list[Member]) -> Any:
    """Chain against the travellers' own logs, every record proven on-chain."""
    files = [Path(trip["log"]) for member in members for trip in _trips(member)]
    logs = [log for file in files for log in read(file)]
    with MarketClient(house.urls.marketplace, house.chain, house.deployment) as client:

        def terms_of(digest: bytes) -> dict[str, Any] | None:
            document = client.document(digest.hex())
            Terms.parse(document)
            return document

        return Auditor(house.chain, house.deployment, house.contracts, terms_of).audit(logs, ALL_PROOFS)


def _row(member: Member, facts: MarketFacts) -> dict[str, Any]:
    """One traveller: what was seen, what it cost by the chain."""
    ids = [int(trip["subscriptionId"]) for trip in _trips(member)]
    mine: list[SubscriptionFacts] = [facts.subscriptions[one] for one in ids]
    trips = _trips(member)
    return {
        "name": member.brief.name,
        "via": member.brief.via,
        "services": member.brief.services,
        "subscriptions": [str(one) for one in ids],
        "released": member.released,
        "frames": sum(trip["frames"] for trip in trips),
        "units": sum(trip["units"] for trip in trips),
        "paid": sum(one.spent for one in mine),
        "refunded": sum(one.returned for one in mine),
        "assets": [asset for trip in trips for asset in trip["assets"]],
        "samples": member.samples,
        "trips": trips,
    }


def _latencies(services: list[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """From the moment the listener saw the purchase final to the moment the service ran, milliseconds."""
    spans = [
        float(service["times"]["running"] - service["times"]["final"])
        for service in services
        if service["times"].get("running") and service["times"].get("final")
    ]
    return {"event_to_running": {"p50": quantile(spans, 0.5), "p99": quantile(spans, 0.99)}}


def _failures(
    report: dict[str, Any], members: list[Member], facts: MarketFacts, services: list[dict[str, Any]]
) -> Iterator[str]:
    """What did not hold, in words."""
    bought = {int(trip["subscriptionId"]) for member in members for trip in _trips(member)}
    if set(facts.subscriptions) != bought:
        yield f"the chain has {len(facts.subscriptions)} subscriptions, the travellers {len(bought)}"
    for finding in report["audit"]["findings"]:
        yield f"audit: {finding['code']} {finding['detail']}"
    for member in members:
        for trip in _trips(member):
            settled = facts.subscriptions[int(trip["subscriptionId"])].used
            if settled != trip["units"]:
                yield f"{member.brief.name} signed {trip['units']} units, the chain settled {settled}"
            if not trip["frames"]:
                yield f"{member.brief.name} saw no frame of {trip['service']}"
        if member.brief.leave_after_s is not None and not member.released:
            yield f"{member.brief.name} was to release early and did not"
    for service in services:
        if int(service["subscriptionId"]) in bought and not service["times"].get("running"):
            yield f"subscription {service['subscriptionId']} never ran: {service['state']} {service['refusal']}"
    released = [one for one in facts.subscriptions.values() if one.released]
    if not any(one.returned for one in released):
        yield "nobody got a rest back"
    immersion = report["meta_immersion"]["mean"]
    if not immersion:
        yield "no immersion was measured"
