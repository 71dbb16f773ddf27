"""`s4m identity issue|disclose|verify|list|revoke`: claims about people, attested on the chain, shown one by one.

The chain gets commitments only. Values and salts stand in the holder's file (mode 0600), which `issue` writes and from
which `disclose` takes what one verifier is to see.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s4m.command import Session, common
from s4m.completion import WALLETS
from s4m.disclosures import json_of, read
from s4m.errors import BadInput
from s4m.wallet import PASSWORD_FILE

if TYPE_CHECKING:
    from ledger.claims import Disclosure
    from ledger.values import Address

HOLDERS_SCHEMA = "s4m/claims/1"
FILE = click.Path(path_type=Path, dir_okay=False)
DAY = 86_400


@click.group()
def identity() -> None:
    """Claims about people: attest, disclose, verify, list, revoke."""


@identity.command()
@click.argument("account")
@click.argument("claims", nargs=-1, required=True, metavar="CLAIM=VALUE...")
@click.option("--wallet", "wallet_name", required=True, shell_complete=WALLETS, help="The issuer's.")
@click.option("--days", default=365, show_default=True, type=click.IntRange(1, 36_500), help="How long they count.")
@click.option("--out", required=True, type=FILE, help="The holder's file: give it to the holder, and keep none.")
@PASSWORD_FILE
@common
def issue(
    session: Session, account: str, claims: tuple[str, ...], wallet_name: str, days: int, out: Path,
    password_file: Path | None,
) -> None:  # fmt: skip
    """Attest CLAIM=VALUE... of ACCOUNT. The chain gets a commitment for each; values and salts go into --out."""
    from ledger.identity import claim_type, claim_value, commitment
    from s4m.connect import on_chain, wallet_sender, wallets

    holder, issuer = _account(account), wallets(session).address(wallet_name)
    made = [_new(issuer, pair) for pair in claims]
    if out.exists():
        raise BadInput(f"{out} exists.", "Choose another file: a holder's claims are never overwritten.")
    expires = int(time.time()) + days * DAY
    _write(out, {"schema": HOLDERS_SCHEMA, "account": holder, "claims": [each.to_json() for each in made]})
    with on_chain(session) as ground, wallet_sender(session, ground.chain, wallet_name, password_file) as sending:
        for each in made:
            kind, value = claim_type(each.claim), claim_value(each.value)
            committed = commitment(issuer, holder, kind, value, each.salt)
            sending.send(ground.contracts.identity.attest(holder, kind, committed, expires))
    session.show(
        {
            "issuer": issuer, "account": holder, "claims": [each.claim for each in made], "expires": expires,
            "file": str(out),
        }
    )  # fmt: skip


@identity.command()
@click.argument("file", type=FILE)
@click.argument("claim")
@click.option("--out", required=True, type=FILE, help="What the verifier is to get: this claim and no other.")
@common
def disclose(session: Session, file: Path, claim: str, out: Path) -> None:
    """Take CLAIM out of a holder's FILE, for one verifier. Whoever has it can show it on."""
    document = json_of(file)
    kept = document.get("claims", []) if isinstance(document, dict) else []
    found = [each for each in kept if isinstance(each, dict) and each.get("claim") == claim]
    if not found:
        names = ", ".join(str(each.get("claim")) for each in kept if isinstance(each, dict)) or "none"
        raise BadInput(f"{file} has no claim {claim!r}; it has {names}.", "Name one of them.")
    _write(out, found[-1])
    told = read(out)
    session.show({"claim": told.claim, "issuer": told.issuer, "file": str(out)})


@identity.command()
@click.argument("file", type=FILE)
@click.argument("account")
@click.option("--issuer", required=True, help="Whom you believe: the claim must be this account's word.")
@common
def verify(session: Session, file: Path, account: str, issuer: str) -> None:
    """Hold the disclosure in FILE against the chain: is it ISSUER's word about ACCOUNT, now?"""
    from s4m.connect import on_chain

    told, holder = read(file), _account(account)
    if told.issuer != _account(issuer):
        raise BadInput(
            f"It is the word of {told.issuer}, not of {issuer}.", "Ask for a claim of the issuer you believe."
        )
    with on_chain(session) as ground:
        block = ground.chain.latest()
        holds = told.holds(ground.contracts.identity, holder, block)
    if not holds:
        raise BadInput(
            f"The chain does not bear it out at block {block.number}: it is about another account, altered, expired or "
            "taken back.",
            "Ask the holder for a disclosure that counts.",
        )
    answer = {"holds": True, "claim": told.claim, "value": told.value, "account": holder, "issuer": told.issuer}
    session.show({**answer, "block": block.number})


@identity.command("list")
@click.argument("account")
@common
def list_attestations(session: Session, account: str) -> None:
    """What issuers attested of ACCOUNT, as everybody can see it: kinds of claims by their hashes, no values."""
    from s4m.connect import on_chain

    holder = _account(account)
    with on_chain(session) as ground:
        head = ground.chain.latest()
        logs = ground.chain.logs(0, head.number, {"identity": ground.contracts.deployment.identity})
    rows = _standing([each.event for each in logs], holder, head.timestamp)
    session.show(rows, "issuer", "claimType", "expires", "state")


@identity.command()
@click.argument("account")
@click.argument("claim")
@click.option("--wallet", "wallet_name", required=True, shell_complete=WALLETS, help="The issuer's.")
@PASSWORD_FILE
@common
def revoke(session: Session, account: str, claim: str, wallet_name: str, password_file: Path | None) -> None:
    """Take CLAIM of ACCOUNT back, as its issuer."""
    from ledger.identity import claim_type
    from s4m.connect import on_chain, wallet_sender

    holder = _account(account)
    with on_chain(session) as ground, wallet_sender(session, ground.chain, wallet_name, password_file) as sending:
        sending.send(ground.contracts.identity.revoke_attestation(holder, claim_type(claim)))
    session.show({"account": holder, "claim": claim, "revoked": True})


def _new(issuer: Address, pair: str) -> Disclosure:
    from ledger.claims import SCHEMA, Disclosure

    claim, equals, value = pair.partition("=")
    salt = "0x" + secrets.token_hex(32)
    try:
        if not equals:
            raise ValueError("there is no =")
        return Disclosure.parse({"schema": SCHEMA, "issuer": issuer, "claim": claim, "value": value, "salt": salt})
    except ValueError as error:
        raise BadInput(f"{pair!r} is no claim: {error}.", "Write it as CLAIM=VALUE, for example over18=yes.") from error


def _standing(events: list[Any], holder: Address, now: int) -> list[dict[str, Any]]:
    """The newest word of each issuer on each kind of claim about the holder."""
    from ledger.events import AttestationRevoked, Attested
    from ledger.values import to_hex

    rows: dict[tuple[str, bytes], dict[str, Any]] = {}
    for event in events:
        if isinstance(event, Attested | AttestationRevoked) and event.account == holder:
            known = rows.setdefault((event.issuer, event.claim_type), {})
            if isinstance(event, Attested):
                state = "attested" if event.expires >= now else "expired"
                known.update(expires=event.expires, state=state)
            else:
                known.update(state="revoked")
    return [{"issuer": issuer, "claimType": to_hex(kind), **row} for (issuer, kind), row in rows.items()]


def _account(text: str) -> Address:
    from ledger.errors import AddressMalformed
    from ledger.values import address

    try:
        return address(text)
    except AddressMalformed as error:
        raise BadInput(f"{text!r} is no account.", "Give an address: 0x and 40 hexadecimal digits.") from error


def _write(path: Path, document: dict[str, Any]) -> None:
    """For the owner's eyes, and never over another file."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(document, file, indent=2)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error}.", "Choose another file.") from error
