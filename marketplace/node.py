"""POST /node: reads of the marketplace's own Ethereum node for pages of its origin, by an allow list of methods.

The auditor's page reads through it where its reader names no node, the burner wallet on devnets. JSON-RPC in and out,
one request at a time. On a devnet it also takes signed transactions (`eth_sendRawTransaction`): anybody may bring
those. What else a node can do (accounts, mining, anvil's own verbs) does not exist here.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body

from ledger.errors import NodeError
from marketplace.devnets import is_devnet
from marketplace.parts import Parts

READS = frozenset(
    {
        "eth_blockNumber", "eth_call", "eth_chainId", "eth_estimateGas", "eth_feeHistory", "eth_gasPrice",
        "eth_getBalance", "eth_getBlockByHash", "eth_getBlockByNumber", "eth_getCode", "eth_getLogs",
        "eth_getTransactionByHash", "eth_getTransactionCount", "eth_getTransactionReceipt", "eth_maxPriorityFeePerGas",
        "net_version",
    }
)  # fmt: skip
SEND = "eth_sendRawTransaction"
INVALID_REQUEST, NO_METHOD = -32600, -32601


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()
    allowed = READS | {SEND} if is_devnet(parts) else READS

    @routes.post("/node")
    def ask_node(asked: Annotated[Any, Body()]) -> dict[str, Any]:
        """One read of the chain's node (JSON-RPC 2.0), by a list of methods that are let through."""
        if not _is_request(asked):
            return _failed(None, INVALID_REQUEST, "Send one JSON-RPC 2.0 request with a method and a list of params.")
        if asked["method"] not in allowed:
            return _failed(
                asked.get("id"), NO_METHOD, f"{asked['method']!r} is not among {', '.join(sorted(allowed))}."
            )
        try:
            result = parts.chain.request(asked["method"], asked.get("params", []))
        except NodeError as error:
            return _failed(asked.get("id"), error.number, error.reason, error.data)
        return {"jsonrpc": "2.0", "id": asked.get("id"), "result": result}

    return routes


def _is_request(asked: Any) -> bool:
    if not isinstance(asked, dict) or not isinstance(asked.get("id"), str | int | None):
        return False
    return isinstance(asked.get("method"), str) and isinstance(asked.get("params", []), list)


def _failed(identifier: Any, code: int, message: str, data: str = "") -> dict[str, Any]:
    error = {"code": code, "message": message} | ({"data": data} if data else {})
    return {"jsonrpc": "2.0", "id": identifier, "error": error}
