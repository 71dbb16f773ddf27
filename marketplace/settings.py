"""The one place where the marketplace reads its environment (`S4M_…`); built once by `app.py`'s caller."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class MarketplaceSettings(BaseSettings):
    """Each field says its unit and why it has its default."""

    model_config = SettingsConfigDict(env_prefix="S4M_", extra="ignore")

    home: Path = Field(default_factory=lambda: Path.home() / ".slicing4meta")
    rpc_url: str = "http://127.0.0.1:8700"
    orchestrator_url: str = "http://127.0.0.1:8702"
    msmf_url: str = ""
    """Where MSMF is; empty: in the orchestrator's process."""
    gateway_url: str = "http://127.0.0.1:8703"
    host: str = "127.0.0.1"
    port: int = 8701
    site: str = ""
    """Origin that people sign in at (https://market.example); empty: http://localhost and the port. Passkeys are bound
    to its host, which must be the deployment's `rp_id`."""
    domain: str = "slicing4meta.devnet"
    """Name of the operator's trust domain."""
    domain_owner: str = ""
    """Account that owns the trust domain; empty: the operator's address in keys/accounts."""
    quote_seconds: int = 120
    """How long a quote holds, seconds: time for a person to read and sign."""
    document_bytes: int = 65_536
    """Largest document accepted, bytes."""
    refresh_ms: int = 50
    """The projection asks the node at most this often, milliseconds."""
    webhook_tries: int = 8
    """After so many tries in vain a message is dead; with the pauses below about three hours."""
    webhook_pause_s: float = 4.0
    """Pause after the first try in vain, seconds; each further one is four times as long."""
    webhook_loopback: bool = False
    """Lets webhooks name this very machine, over http: for tests and demos, never where strangers register."""
    marketplace_database: str = ""
    """Where its store is: postgresql://user@host/name, a database of its own; empty: db/market.db in home."""

    shared_database: str = Field(default="", validation_alias="S4M_DATABASE")
    """The house's PostgreSQL, where it has one: seen proofs and revocations are shared there by all hosts."""

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @property
    def site_origin(self) -> str:
        """Scheme, host and port, as browsers write it."""
        return self.site or f"http://localhost:{self.port}"

    @property
    def database(self) -> str:
        """The store's URL; it may hold a password."""
        return self.marketplace_database or f"sqlite:///{self.home / 'db' / 'market.db'}"
