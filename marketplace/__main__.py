"""`python -m marketplace --home H --port P`: serves the marketplace until SIGTERM."""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

import uvicorn

from ledger.secrecy import keep_memory_private
from marketplace.app import create_app
from marketplace.errors import StoreUnusable
from marketplace.settings import MarketplaceSettings
from trust.door import server_config


def main() -> None:
    keep_memory_private()
    parser = argparse.ArgumentParser(prog="python -m marketplace", description=__doc__)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--port", type=int)
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    settings = MarketplaceSettings(**given)
    try:
        app = create_app(settings)
    except StoreUnusable as cause:
        sys.exit(str(cause))
    gc.freeze()  # what lives as long as the program is not walked by each full collection, 150 ms of everybody's wait
    uvicorn.Server(server_config(app, host=settings.host, port=settings.port)).run()


if __name__ == "__main__":
    main()
