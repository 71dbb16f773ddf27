"""An audit's report on paper: JSON, CSV and PDF files. Called by `s4m audit --report`; pure but for what it writes.

CSV has one row a fact, `kind,name,subscription,detail`: the verdict, what was checked, the money, then the findings.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from marketplace.audit.report import Report
from marketplace.errors import MalformedInput

if TYPE_CHECKING:
    from fpdf import FPDF

COLUMNS = ("kind", "name", "subscription", "detail")
Row = tuple[str, str, str, str]
_MARGIN_MM = 15
_BODY_PT = 9


def rows(report: Report) -> Iterator[Row]:
    """The whole report, a fact a row."""
    document = report.to_json()
    yield "verdict", "ok" if report.ok else "findings", "", str(len(report.findings))
    for name, value in document.items():
        if name not in ("ok", "findings", "money", "isolation"):
            yield "checked", name, "", str(value)
    for subscription, degree in document["isolation"].items():
        yield "isolation", "degree", subscription, str(degree)
    for name, value in (document["money"] or {}).items():
        yield "money", name, "", value
    for finding in document["findings"]:
        yield "finding", finding["code"], finding["subscriptionId"] or "", finding["detail"]


def as_json(report: Report) -> bytes:
    return json.dumps(report.to_json(), indent=2).encode() + b"\n"


def as_csv(report: Report) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows(report))
    return text.getvalue().encode()


def as_pdf(report: Report) -> bytes:
    """A4 pages: the verdict, then a table for each kind of fact."""
    from fpdf import FPDF  # takes half a second to import, and few ask for it

    pdf = FPDF(format="A4")
    pdf.set_margin(_MARGIN_MM)
    pdf.set_title("Slicing4Meta audit")
    pdf.add_page()
    pdf.set_font("Helvetica", "B", 16)
    verdict = "Nothing differs." if report.ok else f"{len(report.findings)} finding(s)."
    pdf.cell(text=f"Slicing4Meta audit: {verdict}", new_x="LMARGIN", new_y="NEXT")
    facts = list(rows(report))
    for kind in dict.fromkeys(row[0] for row in facts):
        _table(pdf, kind, [row[1:] for row in facts if row[0] == kind])
    return bytes(pdf.output())


def _table(pdf: FPDF, title: str, lines: list[tuple[str, str, str]]) -> None:
    pdf.ln(4)
    pdf.set_font("Helvetica", "B", _BODY_PT + 2)
    pdf.cell(text=title.capitalize(), new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Helvetica", size=_BODY_PT)
    with pdf.table(col_widths=(45, 50, 85), text_align="LEFT") as table:
        for line in [COLUMNS[1:], *lines]:
            table.row([_printable(cell) for cell in line])


def _printable(text: str) -> str:
    """The PDF's built-in fonts know Latin-1 only."""
    return text.replace("‰", "/1000").encode("latin-1", "replace").decode("latin-1")


_WRITERS: dict[str, Callable[[Report], bytes]] = {".json": as_json, ".csv": as_csv, ".pdf": as_pdf}


def check_name(path: Path) -> None:
    """Refuses a file whose name does not say a format that can be written."""
    if path.suffix not in _WRITERS:
        known = ", ".join(_WRITERS)
        raise MalformedInput(f"{path.name} ends in none of {known}.", remedy="Name the report by its format.")


def write(report: Report, path: Path) -> None:
    """Writes the report in the format that the file's name ends in."""
    check_name(path)
    path.write_bytes(_WRITERS[path.suffix](report))
