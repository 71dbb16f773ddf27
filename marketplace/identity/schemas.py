"""What goes over the wire when people sign in and bind passkeys."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from trust import siwe

HexBytes = Annotated[str, StringConstraints(pattern=r"^0x([0-9a-fA-F]{2}){1,4096}$"), Field(examples=["0x5fe7f977"])]
Nonce = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9]{8,64}$"),
    Field(examples=["0f1e2d3c4b5a69788796a5b4c3d2e1f0"]),
]
Credential = Annotated[
    dict[str, Any],
    Field(
        description="A PublicKeyCredential, its bytes as base64url.", examples=[{"id": "i5W1", "type": "public-key"}]
    ),
]


class Shape(BaseModel):
    """Strict and frozen: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SignInRequest(Shape):
    """POST /sign-ins: an EIP-4361 message and the account's signature (EIP-191, or what its contract takes)."""

    message: str = Field(
        max_length=siwe.LONGEST,
        examples=["localhost:8701 wants you to sign in with your Ethereum account:\n0x7099…"],
    )
    signature: HexBytes


class TokenRequest(Shape):
    """POST /sign-in-tokens: which sign-in, proven by its key."""

    signInId: str = Field(min_length=1, max_length=64, examples=["kq0Tz1uV9mXw3yB5nC7dE8fG2hJ4kL6p"])


class PasskeySignInRequest(Shape):
    """POST /passkey-sign-ins: an assertion over `sign_in_challenge(nonce, jkt)`."""

    nonce: Nonce
    credential: Credential


class PasskeyRegistration(Shape):
    """POST /passkeys: what the browser's `navigator.credentials.create` gave, for the nonce of its options."""

    nonce: Nonce
    credential: Credential


class PasskeyBinding(Shape):
    """POST /passkeys/{credentialId}/binding: an assertion over the binding's challenge."""

    credential: Credential
