"""What the routes of people's identity answer; the examples stand in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from marketplace.answers import AddressText, Document, Seconds

SignInIdText = Annotated[str, Field(examples=["kq0Tz1uV9mXw3yB5nC7dE8fG2hJ4kL6p"])]
CredentialIdText = Annotated[str, Field(description="base64url.", examples=["i5W1DRnM3As6bGVuX2lkX29mX3Bhc3M"])]
NonceText = Annotated[str, Field(examples=["0f1e2d3c4b5a69788796a5b4c3d2e1f0"])]


class NonceAnswer(TypedDict):
    """A nonce, and what an EIP-4361 message for this site says beside it."""

    nonce: NonceText
    expires: Seconds
    domain: Annotated[str, Field(examples=["localhost:8701"])]
    uri: Annotated[str, Field(examples=["http://localhost:8701"])]
    chainId: Annotated[str, Field(examples=["31337"])]
    statement: Annotated[str, Field(examples=["Sign in to Slicing4Meta. This signs no order and moves no money."])]
    rpId: Annotated[str, Field(description="Of passkeys (WebAuthn).", examples=["localhost"])]


class SignInAnswer(TypedDict):
    """A sign-in and its newest token, bound to the key of the request's proof. `ends` is the sign-in's."""

    signInId: SignInIdText
    account: AddressText
    token: Annotated[str, Field(examples=["eyJ0eXAiOiJhdCtqd3QifQ.e30.c2lnbmF0dXJl"])]
    expires: Seconds
    ends: Seconds


class SignInRow(TypedDict):
    """One sign-in of the account. `jkt` is the thumbprint (RFC 7638) of the browser's key."""

    signInId: SignInIdText
    by: Annotated[Literal["wallet", "passkey"], Field(examples=["wallet"])]
    begun: Seconds
    ends: Seconds
    jkt: Annotated[str, Field(examples=["xOWdOxCaFiRtaRh1Cbp2uMBKvFtyVqAQaKSk8ssdU2s"])]


Transaction = TypedDict(
    "Transaction",
    {
        "from": AddressText,
        "to": AddressText,
        "data": Annotated[str, Field(examples=["0x5fe7f977"])],
        "chainId": Annotated[str, Field(examples=["0x7a69"])],
    },
)
"""As `eth_sendTransaction` takes it."""


class PasskeyAnswer(TypedDict):
    """A passkey: to be bound (its challenge), or on the chain (the transaction that would revoke it)."""

    credentialId: CredentialIdText
    onChain: Annotated[bool, Field(examples=[True])]
    bindingChallenge: Annotated[str | None, Field(description="base64url, 32 bytes.", examples=[None])]
    revocation: Transaction | None


class PasskeyOptions(TypedDict):
    """What `navigator.credentials.create` takes, and the nonce to hand in with its answer."""

    nonce: NonceText
    publicKey: Document


class MeAnswer(TypedDict):
    """Who signed in."""

    account: AddressText
    signIns: list[SignInRow]
    passkeys: list[PasskeyAnswer]
