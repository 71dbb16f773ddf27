"""`python -m orchestrator --home H --port P`: serve the orchestrator until SIGTERM or SIGINT.

The supervisor (`s4m up`) starts it and starts it again. `--clean` ends every sandbox of this home instead, which a
stop on purpose leaves running for the next start to adopt. Exit code 0 after a stop, 1 where it cannot start.
"""

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
from typing import Any

from ledger.secrecy import keep_memory_private
from orchestrator.settings import Settings

SWITCH_INTERVAL_S = 0.0005
"""How long a thread may keep the interpreter while others wait, seconds. A transaction gives it up at each statement
and, by Python's 5 ms, would wait for it a dozen times while it holds SQLite's one write lock and all others queue."""


FULL_COLLECTION_AFTER = 100
"""Collections of the middle-aged until all objects are looked through for rings; by Python's 10 everybody would wait
for that, ten milliseconds, at every thirtieth purchase."""


def quicken() -> None:
    """What is to be settled for this interpreter once all is built that lives as long as the program."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.freeze()  # it is not walked by each full collection
    gc.set_threshold(*gc.get_threshold()[:2], FULL_COLLECTION_AFTER)


def main(argv: list[str] | None = None) -> int:
    """Parse, then serve or clean."""
    keep_memory_private()
    options = _parse(argv)
    clean = options.pop("clean")
    settings = Settings(**{name: value for name, value in options.items() if value is not None})
    return _clean(settings) if clean else _serve(settings)


def _parse(argv: list[str] | None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m orchestrator", description=__doc__)
    parser.add_argument("--home", help="state directory (S4M_HOME)")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="TCP port; 0 takes a free one")
    parser.add_argument("--rpc-url", help="Ethereum JSON-RPC endpoint (S4M_RPC_URL)")
    parser.add_argument("--marketplace-url", help="where the marketplace listens (S4M_MARKETPLACE_URL)")
    parser.add_argument("--gateway-url", help="where the gateway listens (S4M_GATEWAY_URL)")
    parser.add_argument("--clean", action="store_true", help="end all sandboxes of this home and exit")
    return vars(parser.parse_args(argv))


def _clean(settings: Settings) -> int:
    from orchestrator.runtime.sandbox import SandboxRuntime

    SandboxRuntime(settings.home_dir).delete_all()
    return 0


def _serve(settings: Settings) -> int:
    """Take the port first: a taken one is told at once, and callers queue while the rest starts."""
    import uvloop

    from ledger.errors import LedgerError, PortTaken
    from orchestrator import app
    from orchestrator.errors import OrchestratorError
    from trust.errors import TrustError

    app.log_json()
    try:
        with socket.socket() as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                door.bind((settings.host, settings.port))
            except OSError as cause:
                raise PortTaken(settings.host, settings.port) from cause
            door.listen(128)
            ground = app.Ground.open(settings)
            uvloop.run(_run(ground, door))
            ground.close()
    except (LedgerError, OrchestratorError, TrustError) as cause:
        app.log.critical("start.failed", code=cause.code, error=str(cause))
        return 1
    return 0


async def _run(ground: Any, door: socket.socket) -> None:
    import uvicorn

    from orchestrator.app import Program
    from trust.door import server_config

    program = Program(ground, asyncio.get_running_loop())
    config = server_config(program.app, log_config=None)
    await asyncio.to_thread(program.start)
    quicken()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: None)  # uvicorn stops on it, then hands it on to this
    await uvicorn.Server(config).serve(sockets=[door])
    await asyncio.to_thread(program.stop)
    await program.close()


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # threads of steps under way are not waited for: the next start recovers their workflows
