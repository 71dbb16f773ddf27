"""Compile contracts/ and keep ledger/artifacts/ equal to it.

Called by `make contracts` (write) and `make check` (`--check`: compare only). Compiles with the npm build of solc
through py-solc-x in standard-JSON mode: no network, no native binary. Deploys nothing and knows no chain.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ARTIFACTS = ROOT / "ledger" / "artifacts"
SOLC_VERSION = "0.8.37"
SOURCES = {
    "ModelCatalog": "contracts/ModelCatalog.sol",
    "MaaSMarket": "contracts/MaaSMarket.sol",
    "DigitalAssets": "contracts/DigitalAssets.sol",
    "IdentityRegistry": "contracts/IdentityRegistry.sol",
    "CounterfactualSignature": "contracts/CounterfactualSignature.sol",
    "MaaSCredit": "contracts/devnet/MaaSCredit.sol",
}
# What decides the bytecode. No metadata hash: an edited comment must not change what is deployed.
SETTINGS: dict[str, Any] = {
    "evmVersion": "prague",
    "optimizer": {"enabled": True, "runs": 10_000},
    "viaIR": True,
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
    "remappings": ["@openzeppelin/contracts/=node_modules/@openzeppelin/contracts/"],
}
CODE_SIZE_LIMIT = 24_576  # bytes, EIP-170


class CompileError(Exception):
    """The compiler is missing, or refuses the sources; the message says which."""


def link_compiler() -> None:
    """Put the shim where py-solc-x and ape look for a native solc (`.solcx/solc-v<version>`)."""
    if not (ROOT / "node_modules" / "solc").is_dir():
        raise CompileError("node_modules/solc is missing, so nothing can be compiled; run `make node_modules`")
    folder = ROOT / ".solcx"
    folder.mkdir(exist_ok=True)
    link = folder / f"solc-v{SOLC_VERSION}"
    if not link.is_symlink():
        link.symlink_to(Path("..") / "scripts" / "solc-shim.js")
    os.environ["SOLCX_BINARY_PATH"] = str(folder)


def compile_all() -> dict[str, dict[str, Any]]:
    """Compile every contract; returns contract name → artifact, bytecode as 0x-prefixed hex."""
    link_compiler()
    import solcx  # only after the link: it reads SOLCX_BINARY_PATH

    request = {
        "language": "Solidity",
        "sources": {path: {"content": (ROOT / path).read_text(encoding="utf-8")} for path in SOURCES.values()},
        "settings": SETTINGS | {"outputSelection": {"*": {"*": ["abi", "evm.bytecode", "evm.deployedBytecode"]}}},
    }
    try:
        answer = solcx.compile_standard(request, base_path=str(ROOT), solc_version=SOLC_VERSION)
    except solcx.exceptions.SolcError as error:
        raise CompileError(f"the contracts do not compile:\n{error.message}") from error
    for remark in answer.get("errors", []):
        if "node_modules" not in remark.get("sourceLocation", {}).get("file", ""):
            print(remark["formattedMessage"], file=sys.stderr)
    return {name: artifact(name, answer["contracts"][path][name]) for name, path in SOURCES.items()}


def artifact(name: str, output: dict[str, Any]) -> dict[str, Any]:
    """The committed form of one contract."""
    return {
        "contractName": name,
        "abi": output["abi"],
        "bytecode": "0x" + output["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + output["evm"]["deployedBytecode"]["object"],
        "compiler": {"version": SOLC_VERSION, "settings": SETTINGS},
    }


def serialise(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def differences(fresh: dict[str, dict[str, Any]]) -> list[str]:
    """One line for each artifact that is missing, superfluous or unlike a fresh compile."""
    found = []
    for name, content in fresh.items():
        path = ARTIFACTS / f"{name}.json"
        if not path.exists():
            found.append(f"{name}: no artifact is committed")
            continue
        committed = json.loads(path.read_text(encoding="utf-8"))
        parts = [key for key in sorted(content.keys() | committed.keys()) if content.get(key) != committed.get(key)]
        if parts:
            found.append(f"{name}: {', '.join(parts)} differ")
    extra = {path.stem for path in ARTIFACTS.glob("*.json")} - fresh.keys()
    return found + [f"{name}: artifact without a contract" for name in sorted(extra)]


def write(fresh: dict[str, dict[str, Any]]) -> None:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    for name, content in fresh.items():
        (ARTIFACTS / f"{name}.json").write_text(serialise(content), encoding="utf-8")
        size = len(content["deployedBytecode"]) // 2 - 1
        print(f"{name}: {size} of {CODE_SIZE_LIMIT} bytes")


def main() -> int:
    parser = argparse.ArgumentParser(description="Compile contracts/ into ledger/artifacts/.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the artifacts are out of date")
    arguments = parser.parse_args()
    try:
        fresh = compile_all()
    except CompileError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not arguments.check:
        write(fresh)
        return 0
    found = differences(fresh)
    for line in found:
        print(f"out of date: {line}; run `make contracts`", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
