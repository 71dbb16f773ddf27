"""`s4m trust policy|keys|pass|enrol|revoke|verify`: who may call what, with which keys, and what was decided."""

from __future__ import annotations

import click

from s4m.command import Session, common


@click.group()
def trust() -> None:
    """Policy, component keys, enrolment, revocation, journal."""


@trust.command()
@common
def policy(session: Session) -> None:
    """The policy matrix: every route of every app, and who may call it."""
    from trust.policy import Policy

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
@common
def enrol(session: Session) -> None:
    """Enrol this home's component keys on-chain (they count once the block is final)."""
    from ledger.values import to_hex
    from s4m.connect import keys as home_keys
    from s4m.connect import on_chain, sender
    from trust.enrol import enrol_components

    components = home_keys(session).components()
    with on_chain(session) as ground, sender(session, ground.chain, "operator") as sending:
        domain_id = enrol_components(ground.contracts, sending, components, domain=session.settings.domain)
    session.show({"domainId": to_hex(domain_id), "enrolled": [each.spiffe_id for each in components]})


@trust.command()
@click.argument("component")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
def revoke(session: Session, component: str, yes: bool) -> None:
    """Revoke this home's key of COMPONENT; gates refuse it as soon as they see the block."""
    from s4m.connect import keys as home_keys
    from s4m.connect import on_chain, sender
    from s4m.errors import BadInput
    from trust.enrol import revoke_component
    from trust.keys import COMPONENTS

    if component not in COMPONENTS:
        raise BadInput(f"There is no component {component!r}.", f"Known are: {', '.join(COMPONENTS)}.")
    session.confirm(f"Revoke the key of {component}? It cannot be taken back.", yes)
    identity = home_keys(session).component(component)
    with on_chain(session) as ground, sender(session, ground.chain, "operator") as sending:
        domain_id = ground.contracts.identity.domain_id_of(sending.address, session.settings.domain)
        revoke_component(ground.contracts, sending, domain_id, identity)
    session.show({"revoked": identity.spiffe_id})


@trust.command()
@common
def verify(session: Session) -> None:
    """Check the hash chains of all access journals of this home."""
    from s4m.errors import NothingRunning
    from trust.journal import verify as verify_journal

    files = sorted((session.home / "journal").glob("*.jsonl"))
    if not files:
        raise NothingRunning(f"There is no journal in {session.home}.")
    heads = [(path, verify_journal(path)) for path in files]
    session.show([{"journal": path.name, "rows": head.seq, "head": head.hash} for path, head in heads])
