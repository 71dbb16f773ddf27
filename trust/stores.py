"""Which stores the gates of one program share: files of its home, or PostgreSQL where the house has one.

Called by every composition root and by `s4m trust`. Seen proofs and revocations must be one store for all that serve
the same app, or a proof would pass once at each of them.
"""

from pathlib import Path

from storage import is_postgresql
from trust.replay import ReplayStore, SeenProofs
from trust.revocations import Revocations


def open_replay(database: str, file: Path) -> SeenProofs:
    """`database` is the house's setting S4M_DATABASE; `file` serves where that is not PostgreSQL."""
    if not is_postgresql(database):
        return ReplayStore(file)
    from trust.replay_postgresql import PostgresqlReplayStore  # its driver takes a tenth of a second to import

    return PostgresqlReplayStore(database)


def open_revocations(database: str, home: Path) -> Revocations:
    """As `open_replay`; the file is shared by all programs of the home."""
    file = home / "db" / "revocations.db"
    file.parent.mkdir(parents=True, exist_ok=True)
    return Revocations(database if is_postgresql(database) else f"sqlite:///{file}")
