"""Begin a revision of a store after its tables were changed: `.venv/bin/python scripts/add_revision.py engine "why"`.

It migrates an empty SQLite database to the newest revision, compares that with the metadata and writes what differs
to `<program>/migrations/versions/NNNN_why.py`. Triggers and CHECKs are not compared: write them by hand, for both
databases. `tests/storage/test_schema.py` says when the revision is right.
"""

import argparse
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from marketplace.database import SCHEMA as MARKET
from orchestrator.migrations import schema_with
from orchestrator.store import METADATA
from storage import Schema

STORES = {"engine": schema_with(METADATA), "market": MARKET}


def add_revision(schema: Schema, why: str) -> Path:
    """The new file; its number follows the newest one's, also where one was left out."""
    number = f"{max(map(int, schema.revisions), default=0) + 1:04}"
    name = re.sub(r"[^a-z0-9]+", "_", why.lower()).strip("_")
    with TemporaryDirectory() as folder:
        engine = sa.create_engine(f"sqlite:///{folder}/empty.db")
        with engine.begin() as rows:
            if schema.revisions:
                schema.migrate(rows)
            config = Config()
            config.set_main_option("script_location", str(schema.folder))
            config.set_main_option("path_separator", "os")
            config.set_main_option("file_template", f"{number}_{name}")
            config.attributes.update({"connection": rows, "schema": schema})
            command.revision(config, why, autogenerate=True, rev_id=number)
        engine.dispose()
    return schema.folder / "versions" / f"{number}_{name}.py"


def main() -> None:
    """Parse, write, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", choices=sorted(STORES))
    parser.add_argument("why", help="what the revision does, in a few words")
    options = parser.parse_args()
    print(f"wrote {add_revision(STORES[options.store], options.why)}: read it, and add triggers and checks by hand")


if __name__ == "__main__":
    main()
