"""The vendored files are those of the manifest, in the versions that package.json pins, with their licences."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from marketplace.web.static_files import ROOT, StaticTree

VENDOR = ROOT / "vendor"
MANIFEST = json.loads((VENDOR / "vendored.json").read_text("utf-8"))
PACKAGE = json.loads((Path(__file__).parents[2] / "package.json").read_text("utf-8"))


def test_every_vendored_file_is_in_the_manifest_with_its_hash() -> None:
    found = {path.name for path in VENDOR.iterdir()} - {"vendored.json", "LICENSES.txt"}
    assert found == {entry["file"] for entry in MANIFEST}
    for entry in MANIFEST:
        assert hashlib.sha256((VENDOR / entry["file"]).read_bytes()).hexdigest() == entry["sha256"], entry["file"]


def test_versions_are_those_of_package_json_and_licences_are_told() -> None:
    licences = (VENDOR / "LICENSES.txt").read_text("utf-8")
    for entry in MANIFEST:
        assert PACKAGE["devDependencies"][entry["package"]] == entry["version"]
        assert entry["licence"] in ("MIT", "0BSD", "BSD-0-Clause")
        assert f"{entry['package']}\n" in licences


def test_version_of_the_static_files_changes_with_their_content(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("a {}")
    before = StaticTree(tmp_path)
    assert before.address("a.css") == f"/static/{before.version}/a.css"
    (tmp_path / "a.css").write_text("b {}")
    assert StaticTree(tmp_path).version != before.version
