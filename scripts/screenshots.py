"""`make screenshots`: pictures of every page, light and dark, on a desk and on a phone, into docs/screenshots/.

Starts a whole house, walks the pages in Chromium with the tests' wallet, and writes small WebP files. `--only NAME …`
takes some of them. A page is one function here, which brings the visitor to what the picture shows.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable, Sequence
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

SCREENS = {"desktop": (1280, 860), "phone": (390, 844)}
THEMES = ("light", "dark")
QUALITY = 72
TALLEST = 2_200
"""Pixels of a picture's height; what a page shows below is cut off."""

Walk = Callable[[Visitor], None]


def catalogue(visitor: Visitor) -> None:
    visitor.open("/")


def failure(visitor: Visitor) -> None:
    visitor.open("/models/999999")


WALKS: dict[str, Walk] = {"catalogue": catalogue, "failure": failure}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=sorted(WALKS), default=sorted(WALKS))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
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


def take(browser: Browser, house: House, names: Sequence[str], out: Path) -> None:
    """One context a screen: its walks follow each other with one wallet."""
    for screen, (width, height) in SCREENS.items():
        context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
        wallet = TestWallet(funded(house), house.urls.chain, house.deployment.chain_id)
        wallet.live_in(context)
        visitor = Visitor(context.new_page(), house.urls.marketplace, wallet)
        for name in names:
            WALKS[name](visitor)
            for theme in THEMES:
                save(visitor, theme, out / f"{name}-{screen}-{theme}.webp")
        context.close()


def save(visitor: Visitor, theme: str, file: Path) -> None:
    visitor.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    picture = Image.open(io.BytesIO(visitor.page.screenshot(full_page=True)))
    picture.crop((0, 0, picture.width, min(picture.height, TALLEST))).save(file, quality=QUALITY)
    print(file.name)


def funded(house: House) -> WalletKey:
    key = WalletKey.create()
    house.devnet.fund(key.address)
    with Sender(house.chain, key) as sender:
        sender.send(house.contracts.credit.faucet(key.address, CREDITS * CREDIT))
    return key


if __name__ == "__main__":
    main()
