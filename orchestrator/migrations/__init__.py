"""The engine store's revisions: how its tables came to be what they are. Run when the store is opened, if they must be.

`env.py` and `versions/` are alembic's; `scripts/add_revision.py` begins a new one. Whoever changes a table adds a
revision: a test holds both together on SQLite and PostgreSQL. A batch on SQLite makes a table anew: its triggers are
gone then, and those of other tables that name it must be dropped before; references are checked when all is done.
"""

from pathlib import Path

import sqlalchemy as sa

from orchestrator.instances import METADATA
from orchestrator.instances.tables import add_turns
from storage import Schema


def schema_with(services: sa.MetaData) -> Schema:
    """The whole engine store: the services' tables (`orchestrator.store`), the pool's and the instances'."""
    return Schema("engine", (services, METADATA), Path(__file__).parent, add_turns)
