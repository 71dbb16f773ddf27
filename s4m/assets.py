"""`s4m assets list|mint|export`: things made in the virtual world."""

from __future__ import annotations

from pathlib import Path

import click

from s4m.command import Session, common, whole_number


@click.group()
def assets() -> None:
    """List, mint and export things made in the virtual world."""


@assets.command("list")
@click.option("--wallet", "wallet_name", help="Only those that this wallet owns.")
@common
def list_assets(session: Session, wallet_name: str | None) -> None:
    """Assets as the chain's events tell them."""
    from s4m.connect import market, wallets

    owner = wallets(session).address(wallet_name) if wallet_name else None
    with market(session) as client:
        session.show(client.assets(owner), "assetId", "owner", "subscriptionId", "contentHash")


@assets.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--subscription", "subscription_id", required=True, help="In which it was made.")
@click.option("--provenance", required=True, help="The gateway's 65-byte signature (0x…), from S4M-Provenance.")
@common
def mint(session: Session, file: Path, subscription_id: str, provenance: str) -> None:
    """Mint FILE to the subscription's buyer; `s4m use … --mint` does it in one step."""
    from hashlib import sha256

    from ledger.typed_data import asset_uri
    from s4m.connect import market

    signature = _bytes(provenance)
    identifier = whole_number(subscription_id, "--subscription")
    content = sha256(file.read_bytes()).digest()
    with market(session) as client:
        buyer = client.contracts.market.subscription(identifier).buyer
        session.show(client.mint(buyer, content, identifier, asset_uri(content), signature))


def _bytes(provenance: str) -> bytes:
    from ledger.values import from_hex
    from s4m.errors import BadInput

    try:
        return from_hex(provenance)
    except ValueError as error:
        raise BadInput(f"--provenance is not hexadecimal: {error}.", "Copy it from the answer that made it.") from error


@assets.command()
@click.argument("asset_id")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--to", "target", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where to.")
@common
def export(session: Session, asset_id: str, file: Path, target: Path) -> None:
    """Copy FILE beside its certificate (TARGET and TARGET.json) once its hash is the asset's on-chain."""
    import json
    from hashlib import sha256

    from ledger.values import to_hex
    from s4m.connect import on_chain
    from s4m.errors import BadInput

    identifier, body = whole_number(asset_id, "ASSET_ID"), file.read_bytes()
    with on_chain(session) as ground:
        asset = ground.contracts.assets.asset(identifier)
        if asset.content_hash != sha256(body).digest():
            raise BadInput(f"{file} is not asset {identifier}: its hash differs.", "Give the file that was minted.")
        certificate = {
            "assetId": str(identifier), "chainId": str(ground.deployment.chain_id),
            "contract": ground.deployment.assets, "contentHash": to_hex(asset.content_hash),
            "creator": asset.creator, "owner": ground.contracts.assets.owner_of(identifier),
            "subscriptionId": str(asset.subscription_id), "uri": asset.uri,
        }  # fmt: skip
    target.write_bytes(body)
    target.with_name(target.name + ".json").write_text(json.dumps(certificate, indent=2) + "\n")
    session.show({**certificate, "file": str(target)})
