"""`s4m trust`: who may call what, with which keys, what was revoked, and what was decided."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from s4m.command import Session, common
from s4m.spending import Bill, Choice, agreed, spends

if TYPE_CHECKING:
    from ledger.rehearsal import Sends
    from trust.revocations import Kind


@click.group()
def trust() -> None:
    """Policy, component keys, enrolment, revocation, journal."""


@trust.command()
@click.option("--markdown", is_flag=True, help="As the page docs/reference/policy.md.")
@common
def policy(session: Session, markdown: bool) -> None:
    """The policy matrix: every route of every app, and who may call it."""
    from trust.policy import Policy
    from trust.policy_page import page

    if markdown:
        click.echo(page(Policy.load()), nl=False)
        return
    session.show(Policy.load().matrix(), "app", "method", "path", "who", "scope")


@trust.command()
@common
def keys(session: Session) -> None:
    """Component keys on-chain, and which of them this home holds."""
    from ledger.values import to_hex
    from s4m.connect import keys as home_keys
    from s4m.connect import on_chain
    from trust.keys import COMPONENTS

    mine = {name: home_keys(session).component(name).public_bytes for name in COMPONENTS}
    with on_chain(session) as ground:
        identity = ground.contracts.identity
        owner = home_keys(session).account("operator").address
        domain_id = identity.domain_id_of(owner, session.settings.domain)
        rows = [
            {
                "component": name, "publicKey": to_hex(key.public_key), "notBefore": key.not_before,
                "notAfter": key.not_after, "revoked": key.revoked, "here": key.public_key == mine[name],
            }
            for name in COMPONENTS
            for key in identity.keys_of(domain_id, name)
        ]  # fmt: skip
    session.show(rows, "component", "publicKey", "notAfter", "revoked", "here")


@trust.command("pass")
@click.option("--hours", type=click.IntRange(1, 12), default=8, show_default=True, help="How long it holds.")
@common
def operator_pass(session: Session, hours: int) -> None:
    """A pass for the marketplace's operator desk (/operator), signed with this home's operator account."""
    import time

    from marketplace.desks.operator_pass import issue
    from s4m.connect import keys as home_keys
    from s4m.connect import on_chain

    key = home_keys(session).account("operator")
    with on_chain(session) as ground:
        expires = int(time.time()) + hours * 3_600
        text = issue(key, ground.contracts.market_domain, session.settings.domain, expires)
    session.show({"pass": text, "expires": expires, "signer": key.address})


@trust.command()
@spends
@common
def enrol(session: Session, choice: Choice) -> None:
    """Enrol this home's component keys on-chain (they count once the block is final)."""
    from ledger.values import to_hex
    from s4m.connect import keys as home_keys
    from s4m.connect import on_chain, sender
    from trust.enrol import enrol_components

    components = home_keys(session).components()

    def enrolled(sending: Sends) -> dict[str, Any]:
        domain_id = enrol_components(ground.contracts, sending, components, domain=session.settings.domain)
        return {"domainId": to_hex(domain_id), "enrolled": [each.spiffe_id for each in components]}

    with on_chain(session) as ground, sender(session, ground.chain, "operator") as sending:
        if agreed(session, ground.chain, Bill("Enrol the component keys", sending.address), enrolled, choice):
            session.show(enrolled(sending))


@trust.command()
@click.argument("component")
@spends
@common
def revoke(session: Session, component: str, choice: Choice) -> None:
    """Revoke this home's key of COMPONENT; gates refuse it as soon as they see the block."""
    from s4m.connect import keys as home_keys
    from s4m.connect import on_chain, sender
    from s4m.errors import BadInput
    from trust.enrol import revoke_component
    from trust.keys import COMPONENTS

    if component not in COMPONENTS:
        raise BadInput(f"There is no component {component!r}.", f"Known are: {', '.join(COMPONENTS)}.")
    identity = home_keys(session).component(component)

    def revoked(sending: Sends) -> dict[str, Any]:
        domain_id = ground.contracts.identity.domain_id_of(sending.address, session.settings.domain)
        revoke_component(ground.contracts, sending, domain_id, identity)
        return {"revoked": identity.spiffe_id}

    with on_chain(session) as ground, sender(session, ground.chain, "operator") as sending:
        bill = Bill(f"Revoke the key of {component}", sending.address, warning="It cannot be taken back.")
        if agreed(session, ground.chain, bill, revoked, choice):
            session.show(revoked(sending))


@trust.command("revoke-token")
@click.argument("token_id")
@click.option("--reason", default="revoked by the operator", show_default=True, help="Kept with the revocation.")
@common
def revoke_token(session: Session, token_id: str, reason: str) -> None:
    """Revoke one token by its id (`jti`): refused within a second, for the rest of its 120 s."""
    from trust.revocations import Kind

    _revoke(session, Kind.TOKEN, token_id, reason)


@trust.command("revoke-subject")
@click.argument("subject")
@click.option("--reason", default="revoked by the operator", show_default=True, help="Kept with the revocation.")
@common
def revoke_subject(session: Session, subject: str, reason: str) -> None:
    """Refuse all tokens of SUBJECT (`subscription:7`, `spiffe://…/vmof`) within a second, until it is lifted."""
    from trust.revocations import Kind

    _revoke(session, Kind.SUBJECT, subject, reason)


@trust.command()
@common
def revocations(session: Session) -> None:
    """What is revoked beside the chain: tokens, subjects, session keys that must authenticate again."""
    from trust.stores import open_revocations

    with closing(open_revocations(session.settings.database, session.home)) as store:
        rows = [{"kind": r.kind.value, "value": r.value, "reason": r.reason} for r in store.all()]
    session.show(rows, "kind", "value", "reason")


@trust.command()
@click.argument("kind", type=click.Choice(["token", "subject", "key"]))
@click.argument("value")
@common
def lift(session: Session, kind: str, value: str) -> None:
    """Take a revocation back."""
    from s4m.errors import BadInput
    from trust.revocations import Kind
    from trust.stores import open_revocations

    with closing(open_revocations(session.settings.database, session.home)) as store:
        if not store.lift(Kind(kind), value):
            raise BadInput(f"No {kind} {value!r} is revoked.", "`s4m trust revocations` lists what is.")
    session.show({"lifted": value})


@trust.command()
@common
def anchor(session: Session) -> None:
    """Put the heads of all access journals of this home on the chain now."""
    from ledger.values import to_hex
    from s4m.connect import on_chain, sender
    from trust.anchors import anchor as anchor_now

    with on_chain(session) as ground, sender(session, ground.chain, "operator") as sending:
        root = anchor_now(ground.contracts, sending, session.home / "journal")
    session.show({"anchored": "nothing new" if root is None else to_hex(root)})


@trust.command()
@click.option("--offline", is_flag=True, help="The hash chains alone, without the anchors on the chain.")
@common
def verify(session: Session, offline: bool) -> None:
    """Check all access journals of this home: their hash chains, and every anchor that the chain holds of them."""
    from s4m.connect import keys as home_keys
    from s4m.connect import on_chain
    from s4m.errors import NothingRunning
    from trust import anchors
    from trust.journal import verify as verify_journal

    folder = session.home / "journal"
    files = anchors.journals_of(folder)
    if not files:
        raise NothingRunning(f"There is no journal in {session.home}.")
    if offline:
        checks = [anchors.JournalCheck(path.name, verify_journal(path), 0, 0) for path in files]
    else:
        with on_chain(session) as ground:
            checks = anchors.check(ground.contracts, home_keys(session).account("operator").address, folder)
    session.show(
        [
            {
                "journal": each.name, "rows": each.head.seq, "anchors": each.anchors,
                "anchoredRows": each.anchored_rows, "head": each.head.hash,
            }
            for each in checks
        ],
        "journal", "rows", "anchors", "anchoredRows", "head",
    )  # fmt: skip


def _revoke(session: Session, kind: Kind, value: str, reason: str) -> None:
    from trust.revocations import Revocation
    from trust.stores import open_revocations

    with closing(open_revocations(session.settings.database, session.home)) as store:
        store.add(Revocation(kind, value, reason), time.time())
    session.show({"revoked": value, "kind": kind.value})
