"""POST /audit (usage logs as JSONL) and GET /audit (the whole market's money, from the chain)."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from ledger.values import to_hex
from marketplace.audit import logs
from marketplace.audit.service import ALL_PROOFS, Auditor
from marketplace.errors import MalformedInput
from marketplace.parts import Parts

SAMPLE = 16


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()
    documents = parts.documents
    auditor = Auditor(parts.chain, parts.deployment, parts.contracts, lambda digest: documents.document(to_hex(digest)))

    @routes.get("/audit")
    def audit_money() -> dict[str, Any]:
        return auditor.audit().to_json()

    @routes.post("/audit")
    async def audit_logs(request: Request, proofs: str = str(SAMPLE)) -> dict[str, Any]:
        body = await request.body()
        return await asyncio.to_thread(_audit, auditor, body, proofs)

    return routes


def _audit(auditor: Auditor, body: bytes, proofs: str) -> dict[str, Any]:
    return auditor.audit(logs.parse(body), _count(proofs)).to_json()


def _count(proofs: str) -> int:
    if proofs == "all":
        return ALL_PROOFS
    if not (proofs.isascii() and proofs.isdecimal() and len(proofs) < 20):
        raise MalformedInput(f"proofs is {proofs!r}.", remedy="Give a whole number or `all`.")
    return int(proofs)
