"""Opens what commands need: addresses, chain, deployment, the market's client, wallets. Called by the command modules.

Addresses come from the settings, else from run/services.json of the home. Nothing here decides or prints.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment
from ledger.devnet import DEVNET_CHAIN_ID, Devnet
from ledger.keys import keystore_address
from ledger.sender import BUMP_AFTER_S, Sender
from ledger.signer import RemoteSigner
from marketplace.wallet.client import MarketClient
from marketplace.wallet.keystore import WalletStore
from marketplace.wallet.signers import Lent
from s4m.accounts import Keys, journal_of
from s4m.command import Session
from s4m.errors import NothingRunning
from s4m.secrets import secret
from trust.callee import Callees
from trust.enrolment import Enrolment
from trust.gate import GateAuth


@dataclass(frozen=True)
class OnChain:
    """A node and the contracts on it."""

    chain: Chain
    deployment: Deployment
    contracts: Contracts


def url(session: Session, name: str) -> str:
    """The address of `chain`, `marketplace`, `orchestrator` or `gateway`; raises `NothingRunning`."""
    set_by_hand = getattr(session.settings, "rpc_url" if name == "chain" else f"{name}_url")
    if set_by_hand:
        return str(set_by_hand)
    path = session.home / "run" / "services.json"
    services = json.loads(path.read_text()) if path.exists() else {}
    if name not in services:
        raise NothingRunning(f"No {name} runs in {session.home}.")
    return str(services[name]["url"])


@contextmanager
def node(session: Session, rpc: str | None = None) -> Iterator[Chain]:
    chain = Chain.connect(rpc or url(session, "chain"))
    try:
        yield chain
    finally:
        chain.close()


@contextmanager
def on_chain(session: Session, rpc: str | None = None, file: Path | None = None) -> Iterator[OnChain]:
    """The deployment is checked against the node before anything is signed with it. Node and deployment file are this
    home's unless others are named."""
    with node(session, rpc) as chain:
        deployment = Deployment.read(file) if file else Deployment.load(session.home, chain.chain_id)
        deployment.check(chain)
        yield OnChain(chain, deployment, Contracts(chain, deployment))


@contextmanager
def market(session: Session) -> Iterator[MarketClient]:
    with (
        on_chain(session) as ground,
        MarketClient(url(session, "marketplace"), ground.chain, ground.deployment) as client,
    ):
        yield client


@contextmanager
def component(session: Session, audience: str) -> Iterator[httpx.Client]:
    """An HTTP client that speaks as the operator through the gate of `audience`, which must prove itself too."""
    at = url(session, audience)
    with on_chain(session) as ground, closing(enrolment(session, ground)) as enrolled:
        auth = GateAuth(keys(session).component("operator"), audience, callees=Callees(enrolled))
        with httpx.Client(base_url=at, auth=auth, timeout=120.0) as client:
            yield client


def enrolment(session: Session, ground: OnChain) -> Enrolment:
    """The keys of this home's trust domain; close it."""
    owner = keystore_address(session.home / "keys" / "accounts" / "operator.json")
    domain = session.settings.domain
    return Enrolment(ground.contracts, ground.contracts.identity.domain_id_of(owner, domain), domain=domain)


def keys(session: Session) -> Keys:
    return Keys(session.home, session.settings.domain)


def wallets(session: Session) -> WalletStore:
    return WalletStore(session.home, session.settings.scrypt_n)


def sender(session: Session, chain: Chain, account: str) -> Sender:
    """The sender of one of this home's accounts; it shares its journal with the house. On a devnet gas is free."""
    account_key = keys(session).account(account)
    if is_devnet(chain) and not chain.balance(account_key.address):
        Devnet.attach(chain.url).fund(account_key.address)
    return Sender(chain, account_key, journal_of(session.home, account))


def password(session: Session, password_file: Path | None, *, confirm: bool = False) -> str:
    """From the file, from S4M_WALLET_PASSWORD, or asked for; never from the command line. Raises NoTerminal."""
    if password_file is None and session.settings.wallet_password is not None:
        return session.settings.wallet_password.get_secret_value()
    return secret(password_file, "Wallet password", confirm=confirm)


def signer(session: Session, wallet_name: str, password_file: Path | None) -> Lent:
    """Who signs for a wallet: opened when it first signs, let go of at the end of the `with`."""
    return wallets(session).signer(wallet_name, lambda: password(session, password_file))


@contextmanager
def wallet_sender(session: Session, chain: Chain, wallet_name: str, password_file: Path | None) -> Iterator[Sender]:
    """A wallet's sender. A signer elsewhere is asked once: what waits there is sped up by hand (`s4m tx`)."""
    with signer(session, wallet_name, password_file) as lent:
        bump_after_s = math.inf if isinstance(lent, RemoteSigner) else BUMP_AFTER_S
        with Sender(chain, lent, journal_of(session.home, f"wallet-{wallet_name}"), bump_after_s) as sending:
            yield sending


def is_devnet(chain: Chain) -> bool:
    return chain.chain_id == DEVNET_CHAIN_ID
