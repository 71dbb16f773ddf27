"""Compiles what models import, once: a sandbox cannot write byte code, so it would compile anew at every start.

`sandbox` calls it before the first start. Where the folders are not writable, starts are slower and nothing else.
"""

import compileall
import os
import subprocess
import sys
from importlib.util import cache_from_source, find_spec
from pathlib import Path

LIBRARIES = ("numpy", "PIL.Image", "PIL.ImageDraw", "PIL.JpegImagePlugin", "PIL.PngImagePlugin")


def compile_ahead() -> None:
    models = Path(__file__).parent.parent / "models"
    if not all(_is_fresh(source) for source in models.rglob("*.py")):
        compileall.compile_dir(models, quiet=2)
    if not all(_is_compiled(name) for name in ("numpy", "PIL")):
        subprocess.run([sys.executable, "-E", "-c", f"import {', '.join(LIBRARIES)}"], check=False, capture_output=True)


def _is_fresh(source: Path) -> bool:
    compiled = Path(cache_from_source(str(source)))
    return compiled.exists() and compiled.stat().st_mtime >= source.stat().st_mtime


def _is_compiled(name: str) -> bool:
    """Or cannot be, because it is missing or not ours to write to."""
    found = find_spec(name)
    if found is None or found.origin is None:
        return True
    return Path(cache_from_source(found.origin)).exists() or not os.access(Path(found.origin).parent, os.W_OK)
