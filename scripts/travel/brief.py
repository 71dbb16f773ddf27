"""What a traveller's process is told at its start, as one JSON file, and what it tells back, as JSON lines.

Written by scripts/virtual_travel.py, read by scripts/travel/traveller.py.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Brief:
    """One traveller: where things are, what to buy, and the world to walk through.

    `via` is how it buys: `http` (the typed client) or `cli` (the `s4m` command). `leave_after_s` is when it requests
    its release, or None to stay. `cap` is in billable units. `keepsakes` is where souvenirs, last frames and usage logs
    stay after the run.
    """

    name: str
    home: Path
    keepsakes: Path
    rpc_url: str
    marketplace_url: str
    gateway_url: str
    deployment: Path
    services: list[str]
    via: str
    cap: int
    seconds: int
    leave_after_s: int | None
    demand: list[float]
    radio: list[tuple[float, float]]
    objects: list[tuple[int, float]]
    souvenirs: int = 1
    seed: int = 0
    patience_s: float = 90.0
    environment: dict[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Writes the brief; paths become text."""
        document = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}
        path.write_text(json.dumps(document) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The brief that `save` wrote."""
        document = json.loads(path.read_text())
        for name in ("home", "keepsakes", "deployment"):
            document[name] = Path(document[name])
        return cls(**document)


def tell(event: str, **fields: Any) -> None:
    """One line to whoever started this process."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()
