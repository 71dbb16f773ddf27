"""The committed screenshots are those that `make screenshots` takes: of every page, small, and named in their index."""

from __future__ import annotations

from itertools import product

from PIL import Image

from marketplace.web.pages import TEMPLATES
from scripts.screenshots import CAPTIONS, FOLDER, SCREENS, TALLEST, THEMES, file_name, index

MOST_BYTES = 6 * 1024 * 1024


def test_every_page_is_there_on_both_screens_in_both_lights() -> None:
    due = {file_name(*each) for each in product(CAPTIONS, SCREENS, THEMES)}
    assert {path.name for path in FOLDER.iterdir()} == due | {"README.md"}
    for name, (screen, (width, _)) in product(CAPTIONS, SCREENS.items()):
        with Image.open(FOLDER / file_name(name, screen, "light")) as picture:
            assert picture.width == width, f"{name} is wider than its screen"
            assert picture.height <= TALLEST


def test_index_shows_them_all_and_they_are_small() -> None:
    assert (FOLDER / "README.md").read_text("utf-8") == index()
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= MOST_BYTES


def test_no_template_of_a_page_was_forgotten() -> None:
    """As many pictures at least as there are pages; fragments and pieces are none."""
    pages = [path for path in TEMPLATES.rglob("*.html") if '{% extends "base.html" %}' in path.read_text("utf-8")]
    assert len(CAPTIONS) >= len(pages) > 15
