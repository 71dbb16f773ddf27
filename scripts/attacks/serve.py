"""Serves every real app of one home behind its real gate and door; prints their addresses as one line of JSON.

`python -m scripts.attacks.serve HOME RPC_URL`: a process of its own, because the durable engine is one per process. The
loops do not run: an attack has to be refused before any of them could matter. Deadlines are short, so that slow
clients are found out while somebody waits.
"""

import asyncio
import json
import socket
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from marketplace.app import create_app as create_marketplace
from marketplace.settings import MarketplaceSettings
from orchestrator.app import Ground, Program
from orchestrator.gateway.app import create_app as create_gateway
from orchestrator.gateway.house import House
from orchestrator.gateway.settings import GatewaySettings
from orchestrator.settings import Settings
from trust.door import DoorLimits, server_config

LIMITS = DoorLimits(head_s=1.0, message_s=1.5, head_bytes=32_768)


async def main(home: Path, rpc_url: str) -> None:
    """Until the process is ended."""
    gateway = create_gateway(House.open(GatewaySettings(home=home, rpc_url=rpc_url)))
    program = Program(Ground.open(Settings(home=home, rpc_url=rpc_url)), asyncio.get_running_loop())
    marketplace = create_marketplace(MarketplaceSettings(home=home, rpc_url=rpc_url))
    apps = {"gateway": gateway, "orchestrator": program.app, "marketplace": marketplace}
    doors = {name: socket.create_server(("127.0.0.1", 0)) for name in apps}
    print(json.dumps({name: door.getsockname()[1] for name, door in doors.items()}), flush=True)
    await asyncio.gather(*(_server(app).serve(sockets=[doors[name]]) for name, app in apps.items()))


def _server(app: FastAPI) -> uvicorn.Server:
    return uvicorn.Server(server_config(app, LIMITS))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
