"""What browser tests share: finding Chromium, a visitor with a wallet, and the checks that every page must pass."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from browser.wallet import NAME, TestWallet

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM_MISSING = "Chromium is not installed: `apt-get install -y --no-install-recommends chromium`"
THEMES = ("light", "dark")


def find_chromium() -> str:
    """Debian's chromium; AssertionError says what to install."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, CHROMIUM_MISSING
    return found


@dataclass
class Visitor:
    """A page, the wallet of its context, and what its console complained of."""

    page: Page
    url: str
    wallet: TestWallet
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def connect(self) -> None:
        """By the button at the top and the list of wallets, as a person does."""
        self.page.get_by_role("button", name="Connect wallet").click()
        self.page.get_by_role("button", name=NAME).click()
        self.page.get_by_role("button", name="disconnect").wait_for()


def accessibility_faults(page: Page) -> list[str]:
    """What axe-core finds on the page as it is now, one line a fault."""
    page.evaluate(AXE.read_text("utf-8"))
    found: dict[str, Any] = page.evaluate("axe.run()")
    return [
        f"{fault['id']}: {node['html'][:120]} {_why(node)}" for fault in found["violations"] for node in fault["nodes"]
    ]


def _why(node: dict[str, Any]) -> str:
    return " ".join(str(node["failureSummary"]).split())[:200]


def check_accessible(visitor: Visitor, path: str) -> None:
    """The page in both lights has no fault that axe-core knows, and no complaint in the console."""
    for theme in THEMES:
        visitor.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        visitor.open(path)
        assert accessibility_faults(visitor.page) == [], (path, theme)
    assert visitor.complaints == []
