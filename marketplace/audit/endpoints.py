"""POST /audit (usage logs as JSONL) and GET /audit (the whole market's money, from the chain)."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request

from ledger.values import to_hex
from marketplace.answers import AuditAnswer
from marketplace.audit import logs
from marketplace.audit.service import ALL_PROOFS, Auditor
from marketplace.errors import MalformedInput, MalformedLog
from marketplace.openapi import KEPT_BY_KEY, problems
from marketplace.parts import Parts

SAMPLE = 16


LOG_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/jsonl": {"schema": {"type": "string"}, "example": '{"subscriptionId":"5"}\n'}},
    },
    KEPT_BY_KEY: False,
}


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["audit"])

    @routes.get("/audit")
    def audit_money() -> AuditAnswer:
        """The whole market's money, from the chain."""
        return cast(AuditAnswer, _auditor(parts).audit().to_json())

    @routes.post("/audit", responses=problems(MalformedInput, MalformedLog), openapi_extra=LOG_BODY)
    async def audit_logs(
        request: Request,
        proofs: Annotated[str, Query(description="How many records to prove on-chain, or `all`.")] = str(SAMPLE),
    ) -> AuditAnswer:
        """Usage logs, as the gateway gave them, against the chain."""
        body = await request.body()
        return cast(AuditAnswer, await asyncio.to_thread(_audit, _auditor(parts), body, proofs))

    return routes


def _auditor(parts: Parts) -> Auditor:
    documents = parts.documents
    return Auditor(parts.chain, parts.deployment, parts.contracts, lambda digest: documents.document(to_hex(digest)))


def _audit(auditor: Auditor, body: bytes, proofs: str) -> dict[str, Any]:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedLog("it is not UTF-8.", remedy="Send the log as the gateway gave it.") from error
    return auditor.audit(logs.parse(text), _count(proofs)).to_json()


def _count(proofs: str) -> int:
    if proofs == "all":
        return ALL_PROOFS
    if not (proofs.isascii() and proofs.isdecimal() and len(proofs) < 20):
        raise MalformedInput(f"proofs is {proofs!r}.", remedy="Give a whole number or `all`.")
    return int(proofs)
