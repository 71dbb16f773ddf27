"""The pages of the desks: auditor, provider, faucet (devnets), operator."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from ledger.values import Address, address
from marketplace.decisions import ask_orchestrator
from marketplace.desks import operator_pass, provider
from marketplace.errors import OperatorOnly
from marketplace.faucet import CREDITS, GAS_WEI, PER_ACCOUNT
from marketplace.parts import Parts
from marketplace.web.pages import page
from marketplace.web.security import POLICY

ANY_NODE = "connect-src 'self' https: http://127.0.0.1:* http://localhost:*"
"""On the auditor's page alone: its reader names the node, so that nothing need be taken from this server."""


def router(parts: Parts, *, on_devnet: bool) -> APIRouter:
    """Every desk but the operator's."""
    routes = APIRouter(include_in_schema=False)
    facts = facts_of(parts)

    @routes.get("/auditor")
    def auditor(request: Request, subscription: str = "") -> Response:
        answer = page(request, "desks/auditor.html", title="Auditor", facts=facts, subscription=subscription)
        answer.headers["content-security-policy"] = f"{POLICY}; {ANY_NODE}"
        return answer

    @routes.get("/provider")
    def provider_desk(request: Request, account: str = "") -> Response:
        found = provider.desk(parts, address(account)) if account else None
        return page(request, "desks/provider.html", title="Provider desk", facts=facts, desk=found, account=account)

    if on_devnet:

        @routes.get("/faucet")
        def faucet(request: Request) -> Response:
            gift = {"credits": CREDITS, "wei": GAS_WEI, "per_account": PER_ACCOUNT}
            return page(request, "desks/faucet.html", title="Faucet", facts=facts, gift=gift)

    return routes


def facts_of(parts: Parts) -> dict[str, Any]:
    """What the pages' scripts need to know of the chain."""
    deployment = parts.deployment
    return {
        "chainId": deployment.chain_id, "genesisHash": deployment.genesis_hash, "firstBlock": deployment.block_number,
        "market": deployment.market, "catalog": deployment.catalog, "credit": deployment.credit,
        "domain": parts.settings.domain,
    }  # fmt: skip


def operator_router(parts: Parts, owner: Address) -> APIRouter:
    """The operator's desk; `owner` signs its passes."""
    routes = APIRouter(include_in_schema=False)

    def ends(request: Request, given: str | None = None) -> int:
        shown = request.cookies.get(operator_pass.COOKIE, "") if given is None else given
        domain = parts.settings.domain
        return operator_pass.require(shown, parts.contracts.market_domain, domain, owner, parts.clock())

    @routes.get("/operator")
    def desk(request: Request) -> Response:
        try:
            until = ends(request)
        except OperatorOnly as error:
            return _sign_in(request, parts, error)
        told, services = ask_orchestrator(parts, "GET", "/top"), ask_orchestrator(parts, "GET", "/subscriptions")
        newest = services["subscriptions"][::-1][:50]
        return page(request, "desks/operator.html", title="Operator desk", told=told, services=newest, until=until)

    @routes.get("/operator/decisions/{subscriptionId}")
    def decision(request: Request, subscriptionId: str) -> Response:
        ends(request)
        told = ask_orchestrator(parts, "GET", f"/decisions/{subscriptionId}")
        return page(request, "desks/decision.html", title="Decision", told=told)

    @routes.post("/operator/session")
    async def sign_in(request: Request) -> Response:
        given = parse_qs((await request.body()).decode(errors="replace")).get("pass", [""])[0].strip()
        try:
            until = ends(request, given)
        except OperatorOnly as error:
            return _sign_in(request, parts, error)
        answer = RedirectResponse("/operator", 303)
        answer.set_cookie(operator_pass.COOKIE, given, max_age=int(until - parts.clock()), path="/operator",
                          httponly=True, samesite="strict", secure=request.url.scheme == "https")  # fmt: skip
        return answer

    @routes.post("/operator/session/end")
    def sign_out() -> Response:
        answer = RedirectResponse("/operator", 303)
        answer.delete_cookie(operator_pass.COOKIE, path="/operator")
        return answer

    return routes


def _sign_in(request: Request, parts: Parts, error: OperatorOnly) -> Response:
    return page(request, "desks/operator_sign_in.html", status=error.status, title="Operator desk",
                facts=facts_of(parts), error=error)  # fmt: skip
