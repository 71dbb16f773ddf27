"""The settings of the orchestrator program, one typed class; nobody else in the program reads the environment.

Used by `__main__`, `app` and the gateway's composition root. Every field says its unit and why the default is what it
is; the environment's names carry the prefix `S4M_`. Constructing one reads the environment and nothing else.
"""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

APPLICATION_VERSION = "slicing4meta-1"
"""Engine's application version, set by hand: a restart after an upgrade must still recover its pending workflows."""


FIRST_EXECUTOR = "orchestrator-0"


class SettingsBase(BaseSettings):
    """What every program of the house knows: where home is and where the neighbours listen."""

    model_config = SettingsConfigDict(env_prefix="S4M_", extra="ignore", frozen=True)

    home: Path = Field(default=Path("~/.slicing4meta"), description="state directory of this house")
    rpc_url: str = Field(default="http://127.0.0.1:8545", description="Ethereum JSON-RPC endpoint")
    marketplace_url: str = Field(default="http://127.0.0.1:8401", description="where the marketplace listens")
    orchestrator_url: str = Field(default="http://127.0.0.1:8402", description="where the orchestrator listens")
    gateway_url: str = Field(default="http://127.0.0.1:8403", description="where the gateway listens")
    host: str = Field(default="127.0.0.1", description="address to listen on; loopback unless said otherwise")
    port: int = Field(default=0, description="TCP port to listen on; 0 takes any free one")
    domain: str = Field(default="slicing4meta.devnet", description="name of the operator's trust domain")

    @property
    def home_dir(self) -> Path:
        """The state directory with `~` expanded."""
        return self.home.expanduser()


class Settings(SettingsBase):
    """The orchestrator's own settings."""

    port: int = Field(default=8402, description="TCP port to listen on")
    database: str = Field(
        default="", description="the engine's store: postgresql://user@host/name; empty: SQLite, db/engine.db in home"
    )
    executor_id: str = Field(
        default=FIRST_EXECUTOR,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="this worker's engine id; the same after a restart, so it finds its work; unique on a PostgreSQL",
    )
    topology: str = Field(
        default="", description="sites and links: a name of topohub (germany50) or a .json file; empty: one site"
    )
    access: str = Field(
        default="", description="site where users enter who name none; empty: the topology's own, or its busiest"
    )
    programs: Path | None = Field(
        default=None, description="providers' own programs and their manifests; empty: programs/ in home"
    )
    msmf_url: str = Field(default="", description="base URL of MSMF; empty: in this process")
    vmof_url: str = Field(default="", description="base URL of VMOF; empty: in this process")
    mmf_url: str = Field(default="", description="base URL of MMF; empty: in this process")
    poll_interval_s: float = Field(default=0.2, description="pause between looks at the chain's final block, seconds")
    log_span_blocks: int = Field(default=500, description="most blocks asked for in one getLogs; public nodes cap it")
    reconcile_interval_s: float = Field(default=1.0, description="pause between reconciliations, seconds")
    settle_interval_s: float = Field(default=5.0, description="pause between settlements, seconds; 0 only on request")
    supply_pay_interval_s: float = Field(
        default=600.0,
        ge=0,
        description="pause between payments of what is due to suppliers of capacity, seconds: each is a transaction; "
        "0: only by `s4m supply pay`",
    )
    supply_payer: str = Field(
        default="provider-worlds",
        pattern=r"^[a-z][a-z0-9-]{0,31}$",
        description="account in keys/accounts that pays suppliers: the one that the house's own services pay; without "
        "its key in this home only `s4m supply pay` pays",
    )
    repack_interval_s: float = Field(
        default=0.0,
        ge=0,
        description="pause between looks for a better packing of what runs, seconds; 0: nothing moves",
    )
    settle_batch: int = Field(
        default=100, ge=1, le=100, description="vouchers per transaction; the gas bars are at 100"
    )
    design_epoch_s: float = Field(
        default=0.0, ge=0, description="pause between the global controller's designs, seconds; 0: it does not run"
    )
    local_interval_s: float = Field(
        default=0.5, ge=0, description="pause between the local controllers' looks, seconds; 0: they do not run"
    )
    monitor_interval_s: float = Field(
        default=2.0,
        ge=0,
        description="pause between VMOF's looks at how MSIs and models do, seconds; 0: it goes by promises and seats",
    )
    anchor_interval_s: float = Field(
        default=600.0,
        ge=0,
        description="pause between anchors of the access journals on the chain, seconds: a day costs 144 transactions; "
        "0: only by `s4m trust anchor`",
    )
    max_parallel: int = Field(default=8, ge=1, description="instantiations at work at once; starts are CPU-bound")
    document_retry_s: float = Field(
        default=0.5, description="pause before asking again for a missing document, seconds"
    )
    call_timeout_s: float = Field(default=60.0, description="longest wait for an answer of a neighbour, seconds")

    @property
    def programs_dir(self) -> Path:
        """Where `s4m models publish` of this machine puts programs."""
        return self.programs.expanduser() if self.programs else self.home_dir / "programs"

    @property
    def supply_payer_key(self) -> Path:
        """The key of the account that pays suppliers."""
        return self.home_dir / "keys" / "accounts" / f"{self.supply_payer}.json"

    @property
    def database_url(self) -> str:
        """URL of the engine's store; it may hold a password."""
        return self.database or f"sqlite:///{self.home_dir / 'db' / 'engine.db'}"

    @property
    def journal_file(self) -> Path:
        """The access journal: each worker writes its own, the first one the one that there always was."""
        several = self.database.startswith("postgres") and self.executor_id != FIRST_EXECUTOR
        name = self.executor_id if several else "orchestrator"
        return self.home_dir / "journal" / f"{name}.jsonl"
