"""Builds every real app of the house over one home, walks all routes, calls each without credentials; prints JSON.

`python trust_every_app.py HOME RPC_URL`: a process of its own, because the durable engine is one per process. Only
routes that need credentials are called: they must refuse before any handler runs.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from marketplace.app import create_app as create_marketplace
from marketplace.settings import MarketplaceSettings
from orchestrator.app import Ground, Program
from orchestrator.gateway.app import create_app as create_gateway
from orchestrator.gateway.house import House
from orchestrator.gateway.settings import GatewaySettings
from orchestrator.settings import Settings
from trust.exposure import Exposure, exposures, unguarded_routes, unlisted_routes
from trust.policy import shape


async def refuse_strangers(app: FastAPI, routes: list[Exposure]) -> dict[str, str]:
    """Route → code of the refusal, for all that is not open to everybody."""
    answers: dict[str, str] = {}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        for each in routes:
            if each.row is None or not each.row.access & {"public", "signed"} or each.row.proof:
                prefix = f"/{each.app}" if each.app in ("msmf", "vmof", "mmf") else ""
                path = prefix + shape(each.path).replace("{}", "7").replace("{:path}", "7")
                answer = await client.request(each.method, path)
                code = answer.json()["code"] if answer.content else answer.status_code
                answers[f"{each.app} {each.method} {each.path}"] = str(code)
    return answers


async def walk(app: FastAPI) -> dict[str, Any]:
    gate = app.state.gate
    routes = list(exposures(app, gate))
    return {
        "unguarded": unguarded_routes(app, gate),
        "unlisted": unlisted_routes(app, gate),
        "refused": await refuse_strangers(app, routes),
        "rows": sorted({f"{each.app} {each.row.method} {each.row.path}" for each in routes if each.row}),
        "open": sorted(
            f"{e.app} {e.method} {e.row.path}" for e in routes if e.row and e.row.access & {"public", "signed"}
        ),
    }


async def main(home: Path, rpc_url: str) -> None:
    gateway_house = House.open(GatewaySettings(home=home, rpc_url=rpc_url))
    program = Program(Ground.open(Settings(home=home, rpc_url=rpc_url)), asyncio.get_running_loop())
    apps = {
        "gateway": create_gateway(gateway_house),
        "orchestrator": program.app,
        "marketplace": create_marketplace(MarketplaceSettings(home=home, rpc_url=rpc_url)),
    }
    print(json.dumps({name: await walk(app) for name, app in apps.items()}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
