"""`make vendor`: brings the pages' third-party files from node_modules into marketplace/web/static/vendor.

Run after a version in package.json has changed; the result is committed, so that users need no npm. vendored.json names
of each file its package, version, licence and SHA-256; tests/marketplace/test_web_assets.py holds the files to it.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULES = ROOT / "node_modules"
TARGET = ROOT / "marketplace" / "web" / "static" / "vendor"


@dataclass(frozen=True)
class Vendored:
    """One file: where it comes from inside its npm package, and the name that it gets here."""

    file: str
    package: str
    source: str


COPIED = (
    Vendored("htmx.js", "htmx.org", "dist/htmx.min.js"),
    Vendored("hx-sse.js", "htmx.org", "dist/ext/hx-sse.min.js"),
    Vendored("uplot.js", "uplot", "dist/uPlot.iife.min.js"),
    Vendored("uplot.css", "uplot", "dist/uPlot.min.css"),
)
BUNDLED = Vendored("viem.js", "viem", "")
LICENCES = {"htmx.org": "LICENSE", "uplot": "LICENSE", "viem": "LICENSE"}
INSIDE_VIEM = ("@noble/curves", "@noble/hashes", "abitype", "ox")
"""Packages whose code esbuild puts into viem.js."""


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    for each in COPIED:
        (TARGET / each.file).write_bytes(without_source_map((MODULES / each.package / each.source).read_bytes()))
    bundle_viem(TARGET / BUNDLED.file)
    (TARGET / "LICENSES.txt").write_text(licence_texts(), "utf-8")
    manifest = [entry(each) for each in (*COPIED, BUNDLED)]
    (TARGET / "vendored.json").write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    for line in manifest:
        print(f"{line['file']:10} {line['package']} {line['version']} {line['licence']}")


def without_source_map(content: bytes) -> bytes:
    """The same without the line that points at a map we do not ship."""
    kept = [line for line in content.splitlines(keepends=True) if not line.startswith(b"//# sourceMappingURL")]
    return b"".join(kept)


def bundle_viem(target: Path) -> None:
    """One ES module of what scripts/viem_entry.js names."""
    command = [str(MODULES / ".bin" / "esbuild"), "scripts/viem_entry.js", "--bundle", "--format=esm", "--minify",
               "--target=es2022", "--legal-comments=none", f"--outfile={target}"]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def entry(each: Vendored) -> dict[str, str]:
    package = json.loads((MODULES / each.package / "package.json").read_text("utf-8"))
    digest = hashlib.sha256((TARGET / each.file).read_bytes()).hexdigest()
    return {
        "file": each.file, "package": each.package, "version": package["version"], "licence": package["license"],
        "sha256": digest,
    }  # fmt: skip


def licence_texts() -> str:
    texts = [f"{name}\n\n{licence_of(name)}" for name in (*LICENCES, *INSIDE_VIEM)]
    return ("\n" + "-" * 80 + "\n\n").join(texts)


def licence_of(package: str) -> str:
    """The licence's text; where the package ships none, its name and author."""
    folder = MODULES / package
    if not folder.exists():
        folder = MODULES / "viem" / "node_modules" / package
    for name in ("LICENSE", "LICENSE.md", "license"):
        if (folder / name).exists():
            return (folder / name).read_text("utf-8").strip() + "\n"
    said = json.loads((folder / "package.json").read_text("utf-8"))
    return f"{said['license']}, {said.get('author') or said.get('repository')}\n"


if __name__ == "__main__":
    main()
