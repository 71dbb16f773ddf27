"""Serves every real app of one home behind its real gate and door; prints their addresses as one line of JSON.

`python -m scripts.attacks.serve HOME RPC_URL PEERS_URL`: a process of its own, because the durable engine is one per
process. The loops do not run: an attack has to be refused before any of them could matter. Deadlines are short, so that
slow clients are found out while somebody waits. The programs look for each other under PEERS_URL, where an impostor
answers; one model works, behind the gateway.
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
from orchestrator.app import Ground, Program, log_json
from orchestrator.gateway.app import create_app as create_gateway
from orchestrator.gateway.house import House
from orchestrator.gateway.settings import GatewaySettings
from orchestrator.settings import Settings
from scripts.attacks.ground import MODEL_SOCKET
from scripts.load.bare_proxy import model
from trust.door import DoorLimits, server_config

LIMITS = DoorLimits(head_s=1.0, message_s=1.5, write_s=1.0, head_bytes=32_768)


async def main(home: Path, rpc_url: str, peers_url: str) -> None:
    """Until the process is ended."""
    log_json()
    gateway = create_gateway(House.open(GatewaySettings(home=home, rpc_url=rpc_url)))
    program = Program(Ground.open(_orchestrator(home, rpc_url, peers_url)), asyncio.get_running_loop())
    apps = {
        "gateway": gateway,
        "orchestrator": program.app,
        "marketplace": create_marketplace(_marketplace(home, rpc_url, peers_url)),
    }
    doors = {name: socket.create_server(("127.0.0.1", 0)) for name in apps}
    print(json.dumps({name: door.getsockname()[1] for name, door in doors.items()}), flush=True)
    working = uvicorn.Server(uvicorn.Config(model(), uds=str(home / MODEL_SOCKET), log_level="warning"))
    await asyncio.gather(working.serve(), *(_server(app).serve(sockets=[doors[name]]) for name, app in apps.items()))


def _orchestrator(home: Path, rpc_url: str, peers_url: str) -> Settings:
    url = f"{peers_url}/orchestrator"
    return Settings(
        home=home,
        rpc_url=rpc_url,
        marketplace_url=f"{url}/marketplace",
        gateway_url=f"{url}/gateway",
        msmf_url=f"{url}/msmf",
        vmof_url=f"{url}/vmof",
        mmf_url=f"{url}/mmf",
    )


def _marketplace(home: Path, rpc_url: str, peers_url: str) -> MarketplaceSettings:
    url = f"{peers_url}/marketplace"
    return MarketplaceSettings(
        home=home, rpc_url=rpc_url, orchestrator_url=f"{url}/orchestrator", gateway_url=f"{url}/gateway"
    )


def _server(app: FastAPI) -> uvicorn.Server:
    return uvicorn.Server(server_config(app, LIMITS))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
