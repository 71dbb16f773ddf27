"""The one place where the command line reads its environment (`S4M_…`)."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class CliSettings(BaseSettings):
    """Empty addresses mean: as run/services.json of the home says."""

    model_config = SettingsConfigDict(env_prefix="S4M_", extra="ignore")

    home: Path = Field(default=Path("~/.slicing4meta"))
    rpc_url: str = ""
    marketplace_url: str = ""
    orchestrator_url: str = ""
    gateway_url: str = ""
    domain: str = "slicing4meta.devnet"
    database: str = ""
    """As the orchestrator's setting of this name: where its store is, and where revocations are written."""
    programs: Path | None = None
    """Where the orchestrator takes providers' own programs from; empty: programs/ in the home."""
    marketplace_database: str = ""
    """As the marketplace's setting of this name. Read by `s4m doctor` only."""
    data: Path | None = None
    """Folder of recordings; read by `s4m doctor`, followed by demo and benches."""
    wallet_password: SecretStr | None = None
    """For scripts; people are asked, or use --password-file."""
    scrypt_n: int = 262_144
    """Work factor of new wallets; tests lower it."""

    @property
    def home_dir(self) -> Path:
        return self.home.expanduser().absolute()
