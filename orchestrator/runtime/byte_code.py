"""Compiles what models import, once: a sandbox cannot write byte code, so it would compile anew at every start.

`sandbox` calls it before the first start. Where the folders are not writable, starts are slower and nothing else.
"""

import compileall
import subprocess
import sys
from importlib.util import cache_from_source, find_spec
from pathlib import Path

LIBRARIES = ("numpy", "PIL.Image", "PIL.ImageDraw", "PIL.JpegImagePlugin", "PIL.PngImagePlugin")


def compile_ahead() -> None:
    compileall.compile_dir(Path(__file__).parent.parent / "models", quiet=2)
    if not all(_is_compiled(name) for name in ("numpy", "PIL")):
        subprocess.run([sys.executable, "-c", f"import {', '.join(LIBRARIES)}"], check=False, capture_output=True)


def _is_compiled(name: str) -> bool:
    found = find_spec(name)
    return found is not None and found.origin is not None and Path(cache_from_source(found.origin)).exists()
