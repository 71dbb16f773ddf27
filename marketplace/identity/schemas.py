"""What goes over the wire when people sign in and bind passkeys."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from trust import siwe

HexBytes = Annotated[str, StringConstraints(pattern=r"^0x([0-9a-fA-F]{2}){1,4096}$")]
Nonce = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{8,64}$")]


class Shape(BaseModel):
    """Strict and frozen: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SignInRequest(Shape):
    """POST /sign-ins: an EIP-4361 message and the account's signature (EIP-191, or what its contract takes)."""

    message: str = Field(max_length=siwe.LONGEST)
    signature: HexBytes


class PasskeySignInRequest(Shape):
    """POST /passkey-sign-ins: an assertion over `sign_in_challenge(nonce, jkt)`."""

    nonce: Nonce
    credential: dict[str, Any]


class PasskeyRegistration(Shape):
    """POST /passkeys: what the browser's `navigator.credentials.create` gave, for the nonce of its options."""

    nonce: Nonce
    credential: dict[str, Any]


class PasskeyBinding(Shape):
    """POST /passkeys/{credentialId}/binding: an assertion over the binding's challenge."""

    credential: dict[str, Any]
