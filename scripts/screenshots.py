"""`make screenshots`: pictures of every page, light and dark, on a desk and on a phone, into docs/screenshots/.

Starts a whole house, walks the pages in Chromium with the tests' wallet, writes small WebP files, and their index
README.md. `--only NAME …` takes some of them. How a visitor comes to each page: buyer_pictures.py, walk_pictures.py,
desk_pictures.py.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.conftest import CREDITS  # noqa: E402
from browser.wallet import TestWallet  # noqa: E402
from browser.yard import Visitor, find_chromium  # noqa: E402

from ledger.keys import WalletKey  # noqa: E402
from ledger.sender import Sender  # noqa: E402
from ledger.values import CREDIT  # noqa: E402
from s4m.supervisor import House  # noqa: E402
from scripts import buyer_pictures, desk_pictures, walk_pictures  # noqa: E402

Walk = Callable[[Visitor], None]
SCREENS = {"desktop": (1280, 860), "phone": (390, 844)}
THEMES = ("light", "dark")
HEAD = """# Screenshots

Of a house that runs, taken by `make screenshots`: every page on a desktop (1280 pixels wide) and a phone (390),
light and dark.
"""
WIDTHS = {"desktop": 380, "phone": 120}
"""Of the pictures in the index, pixels."""
QUALITY = 50
TALLEST = 1_700
"""Pixels of a picture's height; what a page shows below is cut off."""

CAPTIONS = {**buyer_pictures.CAPTIONS, **walk_pictures.CAPTIONS, **desk_pictures.CAPTIONS}
"""Name of a picture → what it shows."""
NAMES = list(CAPTIONS)
FOLDER = ROOT / "docs" / "screenshots"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES)
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        House.start(Path(home), port_base=0) as house,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        take(browser, house, given.only, given.out)
        browser.close()
    (given.out / "README.md").write_text(index(), "utf-8")


def take(browser: Browser, house: House, names: Sequence[str], out: Path) -> None:
    for source in (buyer_pictures, walk_pictures, desk_pictures):
        walks = {name: walk for name, walk in source.walks(house, names).items() if name in names}
        for screen in SCREENS if walks else ():
            walk_through(browser, house, screen, walks, out)


def walk_through(browser: Browser, house: House, screen: str, walks: Mapping[str, Walk], out: Path) -> None:
    """In one context: the walks follow each other with one wallet."""
    width, height = SCREENS[screen]
    context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
    wallet = TestWallet(funded(house), house.urls.chain, house.deployment.chain_id)
    wallet.live_in(context)
    visitor = Visitor(context.new_page(), house.urls.marketplace, wallet)
    for name, walk in walks.items():
        walk(visitor)
        for theme in THEMES:
            save(visitor, theme, out / file_name(name, screen, theme))
    context.close()


def file_name(name: str, screen: str, theme: str) -> str:
    return f"{name}-{screen}-{theme}.webp"


def index() -> str:
    """README.md of the folder: every picture under what it shows."""
    parts = [HEAD]
    for name, caption in CAPTIONS.items():
        cells = (
            f'<img src="{file_name(name, screen, theme)}" width="{WIDTHS[screen]}" alt="{caption}: {screen}, {theme}">'
            for screen in SCREENS
            for theme in THEMES
        )
        parts.append(f"## {caption}\n\n{chr(10).join(cells)}\n")
    return "\n".join(parts)


def save(visitor: Visitor, theme: str, file: Path) -> None:
    visitor.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    visitor.page.evaluate("scrollTo(0, 0); document.getElementById('say')?.replaceChildren()")
    has_dialog = visitor.page.locator("dialog[open]").count() > 0  # it covers the screen, not what is below
    picture = Image.open(io.BytesIO(visitor.page.screenshot(full_page=not has_dialog)))
    picture.crop((0, 0, picture.width, min(picture.height, TALLEST))).save(file, quality=QUALITY, method=6)
    print(file.name)


def funded(house: House) -> WalletKey:
    key = WalletKey.create()
    house.devnet.fund(key.address)
    with Sender(house.chain, key) as sender:
        sender.send(house.contracts.credit.faucet(key.address, CREDITS * CREDIT))
    return key


if __name__ == "__main__":
    main()
