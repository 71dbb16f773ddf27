"""How both programs open their databases: one URL for SQLite or PostgreSQL, and a schema brought up to date.

Used by marketplace and orchestrator, which own their tables and their revisions. It knows no table.
"""

from storage.errors import DatabaseUnusable, SchemaTooNew, UnknownDatabase
from storage.schema import Schema
from storage.urls import database_url, is_postgresql, shown, upsert

__all__ = [
    "DatabaseUnusable",
    "Schema",
    "SchemaTooNew",
    "UnknownDatabase",
    "database_url",
    "is_postgresql",
    "shown",
    "upsert",
]
