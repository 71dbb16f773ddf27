"""Why a database cannot be used; the programs wrap these in errors of their own.

DatabaseUnusable
├── UnknownDatabase   the setting names neither SQLite nor PostgreSQL
├── SchemaTooNew      a newer program wrote it
├── SchemaForeign     it holds the other program's tables
└── SchemaTorn        its revisions would leave rows that refer to nothing
"""


class DatabaseUnusable(Exception):
    """Root: the message says what, why and what to do."""


class UnknownDatabase(DatabaseUnusable):
    """The setting names neither SQLite nor PostgreSQL."""


class SchemaTooNew(DatabaseUnusable):
    """A newer program wrote this store; this one would not understand it."""


class SchemaForeign(DatabaseUnusable):
    """The database is another store's; both have tables of the same name."""


class SchemaTorn(DatabaseUnusable):
    """Bringing the store up to date would leave rows that refer to rows that are not there; it was undone."""
