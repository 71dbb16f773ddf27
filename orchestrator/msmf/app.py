"""MSMF's door: translate a request, hear of changes, tell of them. Nothing here runs long, so nothing needs a workflow:
a call's one row, written under its key, makes a repeat harmless."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import FastAPI, Query

from orchestrator.instances.door import CHANGING, Door, IdempotencyKey, MalformedCall
from orchestrator.instances.transact import read, transact_again
from orchestrator.intent.errors import TextTooLong
from orchestrator.msmf.rows import (
    MOST_AT_ONCE,
    MsmfDeps,
    keep_notice,
    keep_notices,
    keep_requirements,
    notices,
    requirements_of,
)
from orchestrator.msmf.translation import BadRequest, BadSpec, IsolationMismatch, ServiceMismatch, translate
from orchestrator.notices import NoticeKind
from orchestrator.requirements import Notice, Notices, RequestInWords, ServiceRequirements, TranslationRequest
from trust.openapi import problems


def build_msmf(deps: MsmfDeps) -> FastAPI:
    """MSMF's app; protect it with a gate."""
    door = Door("msmf", "Metaverse Service Management Function")

    @door.app.post(
        "/service-requirements",
        responses=problems(*CHANGING, BadRequest, BadSpec, ServiceMismatch, IsolationMismatch),
    )
    async def service_requirements(request: TranslationRequest, key: IdempotencyKey) -> dict[str, Any]:
        return (await door.run(_translate, deps, request, key)).to_json()

    @door.app.get("/service-requirements")
    async def list_requirements(subscription_id: Annotated[str, Query(alias="subscriptionId")]) -> dict[str, Any]:
        return {"requirements": await door.run(read, deps.reading, requirements_of, subscription_id)}

    @door.app.post("/request-documents", responses=problems(MalformedCall, TextTooLong))
    async def request_document(words: RequestInWords) -> dict[str, Any]:
        return await door.run(_understood, words.text)

    @door.app.post("/notices", responses=problems(*CHANGING))
    async def take_notices(told: Notices, key: IdempotencyKey) -> dict[str, int]:
        await door.run(transact_again, deps.datasource, keep_notices, key, told.notices, deps.clock())
        return {"kept": len(told.notices)}

    @door.app.get("/notices")
    async def list_notices(
        since: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        subscription_id: Annotated[str | None, Query(alias="subscriptionId")] = None,
        kinds: Annotated[str, Query(max_length=1000)] = "",
        newest: Annotated[int | None, Query(ge=1, le=MOST_AT_ONCE)] = None,
    ) -> dict[str, Any]:
        only = tuple(kinds.split(",")) if kinds else ()
        return {"notices": await door.run(read, deps.reading, notices, since, subscription_id, only, newest)}

    return door.app


def _understood(text: str) -> dict[str, Any]:
    """A request in words as a document; the sentence model is loaded by the first one, and only then."""
    from orchestrator.intent.understanding import understand

    return understand(text).to_json()


def _translate(deps: MsmfDeps, request: TranslationRequest, key: str) -> ServiceRequirements:
    return transact_again(deps.datasource, _keep_both, key, translate(request), deps.clock())


def _keep_both(rows: sa.Connection, key: str, wanted: ServiceRequirements, now: int) -> ServiceRequirements:
    kind, told = NoticeKind.REQUEST_TRANSLATED, {"key": key}
    notice = Notice(kind=kind, subject=wanted.service, subscription_id=wanted.subscription_id, detail=told)
    keep_notice(rows, f"{key}:translated", notice, now)
    return keep_requirements(rows, key, wanted, now)
