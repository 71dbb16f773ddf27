"""The gateway's settings; nobody else in the program reads the environment."""

from pathlib import Path

from pydantic import Field

from orchestrator.settings import SettingsBase


class GatewaySettings(SettingsBase):
    """What the gateway process needs beyond the house's common settings (`S4M_…`)."""

    port: int = Field(default=8403, description="TCP port to listen on; 0 takes any free one")
    poll_interval_s: float = Field(default=0.4, gt=0, description="pause between looks at the latest block, seconds")
    blind_limit_s: float = Field(default=10.0, description="longest time without a look at the chain before refusing")
    model_timeout_s: float = Field(default=30.0, description="longest wait for a model; a link may shape for seconds")
    drain_limit_s: float = Field(
        default=30.0, ge=0, description="how long calls under way may still take when their service ends, seconds"
    )
    session_limit_s: int = Field(default=86_400, description="longest life of a session binding, seconds")
    answer_row_bytes: int = Field(default=65_536, description="answers up to this size are kept in the record's commit")
    answer_memory_bytes: int = Field(default=64 * 1024 * 1024, description="memory for repeats of larger answers")
    retention_days: int = Field(
        default=30, ge=1, description="days after which users' behaviour is erased: a month's bill can be disputed"
    )
    shared_database: str = Field(
        default="",
        validation_alias="S4M_DATABASE",
        description="the house's PostgreSQL, where it has one: seen proofs and revocations of all hosts are there",
    )
    pilot_interval_s: float = Field(default=1.0, description="uplink pilot at most this often per session, seconds")

    @property
    def database(self) -> Path:
        """The usage store."""
        return self.home_dir / "db" / "usage.db"

    @property
    def meter_key_file(self) -> Path:
        """The secp256k1 key that signs vouchers and provenance."""
        return self.home_dir / "keys" / "accounts" / "meter.json"

    @property
    def behaviour_key_file(self) -> Path:
        """The key that wraps the data keys of users' behaviour."""
        return self.home_dir / "keys" / "behaviour.key"

    @property
    def identity_file(self) -> Path:
        """The component's Ed25519 key."""
        return self.home_dir / "keys" / "gateway.json"
