"""The catalogue page in Chromium on a whole house: its weight, and when it first paints. For bench_marketplace.py.

The weight is that of the page and of everything that it loads, each compressed with gzip where that makes it smaller.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Response, sync_playwright

from s4m.supervisor import House

VISITS = 5
PAINT = "performance.getEntriesByName('first-contentful-paint').map((entry) => entry.startTime)"


@dataclass(frozen=True)
class Visit:
    """One visit with an empty cache: bytes in all, milliseconds to the first paint, the files that were loaded."""

    weight: int
    paint_ms: float
    files: dict[str, int]


def measure(figure: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    """`catalogue_page_kb` and `catalogue_first_paint_ms`; SystemExit with the remedy where there is no Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("error: Chromium is not installed: `apt-get install -y --no-install-recommends chromium`")
    with (
        tempfile.TemporaryDirectory() as home,
        House.start(Path(home), port_base=0) as house,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        visits = [visit(browser, house.urls.marketplace) for _ in range(VISITS)]
        browser.close()
    heaviest = max(visits, key=lambda one: one.weight)
    load = f"{len(heaviest.files)} files, cache empty, loopback"
    paint = median(one.paint_ms for one in visits)
    return [
        figure("catalogue_page_kb", round(heaviest.weight / 1_000, 1), "kB", f"gzip, {load}", ("<=", 100)),
        figure("catalogue_first_paint_ms", round(paint), "ms", f"median of {VISITS} visits, {load}", ("<=", 1_000)),
    ]


def visit(browser: Browser, url: str) -> Visit:
    """The catalogue page, in a context of its own."""
    context = browser.new_context()
    page = context.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(url, wait_until="networkidle")
    files = {answer.url: _weight(answer.body()) for answer in answers}
    (paint,) = page.evaluate(PAINT)
    context.close()
    return Visit(sum(files.values()), paint, files)


def _weight(body: bytes) -> int:
    return min(len(body), len(gzip.compress(body)))
