"""Alembic runs this file; what it does is the same for both stores."""

from storage.schema import run_migrations

run_migrations()
