"""`python -m orchestrator.gateway --home H --port P`: serve the gateway until SIGTERM or SIGINT."""

import argparse
import asyncio
import gc
import sys
from typing import Any

import uvicorn
import uvloop

from ledger.errors import LedgerError
from ledger.secrecy import keep_memory_private
from orchestrator.errors import OrchestratorError
from orchestrator.gateway.app import create_app
from orchestrator.gateway.house import House
from orchestrator.gateway.settings import GatewaySettings
from trust.door import server_config
from trust.errors import TrustError


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 after a stop, 1 where the house cannot be opened (the reason goes to stderr)."""
    keep_memory_private()
    try:
        uvloop.run(_serve(_settings(argv)))
    except (LedgerError, OrchestratorError, TrustError, OSError) as error:
        print(f"gateway: {getattr(error, 'code', 'os_error')}: {error}", file=sys.stderr)
        return 1
    return 0


def _settings(argv: list[str] | None) -> GatewaySettings:
    parser = argparse.ArgumentParser(prog="python -m orchestrator.gateway", description=__doc__)
    parser.add_argument("--home", help="state directory (S4M_HOME)")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="TCP port; 0 takes a free one")
    parser.add_argument("--rpc-url", help="Ethereum JSON-RPC endpoint (S4M_RPC_URL)")
    given: dict[str, Any] = {k: v for k, v in vars(parser.parse_args(argv)).items() if v is not None}
    return GatewaySettings(**given)


async def _serve(settings: GatewaySettings) -> None:
    house = await asyncio.to_thread(House.open, settings)
    gc.freeze()  # what lives as long as the program is not walked by each full collection
    try:
        config = server_config(create_app(house), host=settings.host, port=settings.port)
        await uvicorn.Server(config).serve()
    finally:
        await house.close()


if __name__ == "__main__":
    raise SystemExit(main())
