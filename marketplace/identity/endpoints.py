"""POST /sign-ins and what belongs to it; /me and passkeys for who signed in. The gate has checked token and proof."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from ledger.values import Address
from marketplace.identity.passkeys import Passkeys
from marketplace.identity.schemas import PasskeyBinding, PasskeyRegistration, PasskeySignInRequest, SignInRequest
from marketplace.identity.sign_ins import SignIns


def router(sign_ins: SignIns, passkeys: Passkeys) -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    _add_sign_ins(routes, sign_ins)
    _add_passkeys(routes, passkeys)

    @routes.get("/me")
    def get_me(request: Request) -> dict[str, Any]:
        account = _account(request)
        return {"account": account, "signIns": sign_ins.of(account), "passkeys": passkeys.of(account)}

    return routes


def _add_sign_ins(routes: APIRouter, sign_ins: SignIns) -> None:
    @routes.post("/sign-ins/nonces", status_code=201)
    def post_nonce() -> dict[str, Any]:
        return sign_ins.nonce()

    @routes.post("/sign-ins", status_code=201)
    def post_sign_in(request: Request, asked: SignInRequest) -> dict[str, Any]:
        return sign_ins.by_wallet(asked, request.state.caller.jkt)

    @routes.post("/passkey-sign-ins", status_code=201)
    def post_passkey_sign_in(request: Request, asked: PasskeySignInRequest) -> dict[str, Any]:
        return sign_ins.by_passkey(asked, request.state.caller.jkt)

    @routes.post("/sign-ins/{signInId}/tokens", status_code=201)
    def post_token(request: Request, signInId: str) -> dict[str, Any]:
        return sign_ins.renew(signInId, request.state.caller.jkt)

    @routes.delete("/sign-ins/{signInId}", status_code=204)
    def delete_sign_in(request: Request, signInId: str) -> None:
        sign_ins.end(signInId, _account(request))


def _add_passkeys(routes: APIRouter, passkeys: Passkeys) -> None:
    @routes.post("/passkeys/options", status_code=201)
    def post_options(request: Request) -> dict[str, Any]:
        return passkeys.options(_account(request))

    @routes.post("/passkeys", status_code=201)
    def post_passkey(request: Request, asked: PasskeyRegistration) -> dict[str, Any]:
        return passkeys.register(_account(request), asked)

    @routes.post("/passkeys/{credentialId}/binding")
    def post_binding(request: Request, credentialId: str, asked: PasskeyBinding) -> dict[str, Any]:
        return passkeys.binding(_account(request), credentialId, asked.credential)


def _account(request: Request) -> Address:
    return Address(request.state.caller.account)
