"""The report as JSON, CSV and PDF; and the audit by command, from log files and any node alone."""

from __future__ import annotations

import csv
import json
import re
import zlib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from marketplace.audit import papers
from marketplace.audit.report import Finding, Report
from marketplace.errors import MalformedInput
from s4m.main import cli
from scripts.tamper.logs import units_raised
from scripts.tamper.suite import Bench
from scripts.tamper.text import jsonl


def _run(ready: Bench, folder: Path, log: str, *options: str) -> Result:
    """`s4m audit` in an empty home, told a node, a deployment file, terms and one log file."""
    market = ready.ground.market
    deployment, path = folder / "deployment.json", folder / "log.jsonl"
    deployment.write_text(json.dumps(market.deployment.to_json()))
    path.write_text(log)
    command = ["audit", "--home", str(folder / "home"), "--rpc", market.devnet.rpc_url, "--log", str(path)]
    command += ["--deployment", str(deployment), *options]
    for digest, document in market.terms.items():
        terms = folder / f"{digest.hex()}.json"
        terms.write_text(json.dumps(document))
        command += ["--terms", str(terms)]
    return CliRunner().invoke(cli, command)


def test_audit_by_command_writes_the_report_in_every_format(ready: Bench, tmp_path: Path) -> None:
    names = ["r.json", "r.csv", "r.pdf"]
    written = [option for name in names for option in ("--report", str(tmp_path / name))]
    result = _run(ready, tmp_path, jsonl(ready.ground.logs), "--evidence", "--json", *written)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "r.json").read_text())
    assert json.loads(result.stdout) == report
    assert report["ok"]
    assert (report["subscriptions_checked"], report["findings"]) == (4, [])
    assert min(report["signatures_checked"], report["blocks_checked"], report["proofs_checked_on_chain"]) > 0
    table = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    assert table[0] == {"kind": "verdict", "name": "ok", "subscription": "", "detail": "0"}
    assert {row["name"]: row["detail"] for row in table if row["kind"] == "money"} == report["money"]
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF-")


def test_findings_stand_in_the_table_and_end_with_their_exit_code(ready: Bench, tmp_path: Path) -> None:
    result = _run(ready, tmp_path, units_raised(ready.ground), "--report", str(tmp_path / "r.csv"))
    assert result.exit_code == 7
    assert re.search(r"total_differs\s+\d+\s+record 3", result.output)
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    assert {row["name"] for row in rows if row["kind"] == "finding"} >= {"total_differs", "root_differs"}


def test_a_head_that_the_node_does_not_have_is_told(ready: Bench, tmp_path: Path) -> None:
    result = _run(ready, tmp_path, jsonl(ready.ground.logs), "--head-hash", "0x" + "ab" * 32)
    assert result.exit_code != 0
    assert "not in the node's chain" in result.output
    malformed = _run(ready, tmp_path, jsonl(ready.ground.logs), "--head-hash", "0xzz")
    assert "is no block hash" in malformed.output


def test_a_report_of_no_known_format_is_refused_before_anything_is_read(ready: Bench, tmp_path: Path) -> None:
    result = _run(ready, tmp_path, jsonl(ready.ground.logs), "--report", str(tmp_path / "r.docx"))
    assert "ends in none of .json, .csv, .pdf" in result.output
    assert not (tmp_path / "r.docx").exists()
    with pytest.raises(MalformedInput):
        papers.write(Report(), tmp_path / "report")


def test_a_pdf_holds_every_finding_also_where_its_letters_are_not_latin() -> None:
    report = Report(findings=[Finding("immersion_differs", 5, "record 0: it says 5 ‰, what was measured makes 7.")])
    pages = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", papers.as_pdf(report), re.DOTALL)
    text = b"".join(zlib.decompress(page) for page in pages if page.startswith(b"x"))
    assert b"immersion_differs" in text
    assert b"5 /1000" in text
