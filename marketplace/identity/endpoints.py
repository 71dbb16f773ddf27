"""POST /sign-ins and what belongs to it; /me and passkeys for who signed in. The gate has checked token and proof."""

from __future__ import annotations

from fastapi import APIRouter, Request

from ledger.values import Address
from marketplace.errors import (
    MalformedInput,
    MarketplaceError,
    PasskeyRefused,
    TooManyNonces,
    UnknownPasskey,
    UnknownSignIn,
)
from marketplace.identity.answers import (
    MeAnswer,
    NonceAnswer,
    PasskeyAnswer,
    PasskeyOptions,
    SignInAnswer,
    Transaction,
)
from marketplace.identity.passkeys import Passkeys
from marketplace.identity.schemas import (
    PasskeyBinding,
    PasskeyRegistration,
    PasskeySignInRequest,
    SignInRequest,
    TokenRequest,
)
from marketplace.identity.sign_ins import SignIns
from marketplace.openapi import KEPT_BY_KEY, Answers, problems
from trust.errors import SignedOut, SignInRefused

NOT_KEPT = {KEPT_BY_KEY: False}
"""Of answers that hold tokens or are good once: they are never kept to be repeated."""


def router(sign_ins: SignIns, passkeys: Passkeys) -> APIRouter:
    routes = APIRouter(tags=["identity"])
    _add_sign_ins(routes, sign_ins)
    _add_passkeys(routes, passkeys)

    @routes.get("/me", responses=_answers(SignedOut))
    def get_me(request: Request) -> MeAnswer:
        """Who signed in: the account, its sign-ins, its passkeys as the chain has them."""
        account = _account(request)
        return {"account": account, "signIns": sign_ins.of(account), "passkeys": passkeys.of(account)}

    return routes


def _add_sign_ins(routes: APIRouter, sign_ins: SignIns) -> None:
    @routes.post("/sign-ins/nonces", status_code=201, responses=problems(TooManyNonces), openapi_extra=NOT_KEPT)
    def post_nonce() -> NonceAnswer:
        """A nonce, good once within five minutes, and what a message for this site says beside it."""
        return sign_ins.nonce()

    @routes.post("/sign-ins", status_code=201, responses=_answers(SignInRefused), openapi_extra=NOT_KEPT)
    def post_sign_in(request: Request, asked: SignInRequest) -> SignInAnswer:
        """Sign in by an EIP-4361 message of the account, whose only resource names the key of this request's proof."""
        return sign_ins.by_wallet(asked, request.state.caller.jkt)

    @routes.post("/passkey-sign-ins", status_code=201, responses=_answers(SignInRefused), openapi_extra=NOT_KEPT)
    def post_passkey_sign_in(request: Request, asked: PasskeySignInRequest) -> SignInAnswer:
        """Sign in by a passkey that the chain has, over SHA-256 of `slicing4meta sign-in`, nonce and proof key."""
        return sign_ins.by_passkey(asked, request.state.caller.jkt)

    @routes.post("/sign-in-tokens", status_code=201, responses=_answers(SignedOut), openapi_extra=NOT_KEPT)
    def post_token(request: Request, asked: TokenRequest) -> SignInAnswer:
        """A fresh token for the key that signed in, as long as the sign-in stands."""
        return sign_ins.renew(asked.signInId, request.state.caller.jkt)

    @routes.delete("/sign-ins/{signInId}", status_code=204, responses=_answers(SignedOut, UnknownSignIn))
    def delete_sign_in(request: Request, signInId: str) -> None:
        """End a sign-in of the account, here or elsewhere: its next call is refused."""
        sign_ins.end(signInId, _account(request))


def _add_passkeys(routes: APIRouter, passkeys: Passkeys) -> None:
    @routes.post("/passkeys/options", status_code=201, responses=_answers(SignedOut, TooManyNonces))
    def post_options(request: Request) -> PasskeyOptions:
        """What a browser needs to make a passkey for the account."""
        return passkeys.options(_account(request))

    @routes.post("/passkeys", status_code=201, responses=_answers(SignedOut, PasskeyRefused))
    def post_passkey(request: Request, asked: PasskeyRegistration) -> PasskeyAnswer:
        """Hand in a passkey that was made; it signs nobody in before the chain has it."""
        return passkeys.register(_account(request), asked)

    @routes.post(
        "/passkeys/{credentialId}/binding",
        responses=_answers(SignedOut, PasskeyRefused, UnknownPasskey),
    )
    def post_binding(request: Request, credentialId: str, asked: PasskeyBinding) -> Transaction:
        """Of the passkey's assertion over its binding's challenge, the transaction for the account's wallet to send."""
        return passkeys.binding(_account(request), credentialId, asked.credential)


def _answers(*kinds: type[MarketplaceError] | type[SignedOut] | type[SignInRefused]) -> Answers:
    """The problem answers of a route that the gate or a service refuses."""
    return problems(MalformedInput, *kinds)


def _account(request: Request) -> Address:
    return Address(request.state.caller.account)
