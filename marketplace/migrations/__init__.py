"""The marketplace store's revisions; see `storage.schema` and `scripts/add_revision.py`."""
