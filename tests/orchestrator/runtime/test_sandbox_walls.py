"""What a program inside the sandbox cannot do, tried from inside with the very command line that models get."""

import json
import os
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from orchestrator.runtime import bubblewrap, system_calls
from orchestrator.runtime.port import InstanceSpec
from orchestrator.runtime.sandbox import SandboxRuntime


def inside(home: Path, code: str, hidden: tuple[Path, ...] = ()) -> Any:
    """Runs code in a sandbox as a model's program would run; it prints JSON."""
    with tempfile.TemporaryFile() as info, tempfile.TemporaryFile() as rules:
        rules.write(system_calls.filter_for())
        rules.seek(0)
        box = bubblewrap.Box(info.fileno(), rules.fileno(), [home, *hidden])
        command = bubblewrap.command(bubblewrap.find_bubblewrap(), box, ["-c", f"import json, os\n{code}"])
        done = subprocess.run(
            command,
            env={"S4M_SECRET": "x"},
            pass_fds=(info.fileno(), rules.fileno()),
            capture_output=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def attempt(action: str) -> str:
    """Code that prints what came of an action: "done" or the error's name."""
    lines = (
        "try:",
        f"    {action}",
        "    came = 'done'",
        "except OSError as error:",
        "    came = type(error).__name__",
    )
    return "\n".join((*lines, "print(json.dumps(came))"))


def test_no_network_not_even_the_hosts_loopback(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        action = f"socket.create_connection(('127.0.0.1', {port}), 2)"
        assert inside(home, "import socket\n" + attempt(action)) != "done"
    assert inside(home, "import socket\nprint(json.dumps([name for _, name in socket.if_nameindex()]))") == ["lo"]


def test_abstract_sockets_of_the_host_are_out_of_reach(home: Path) -> None:
    name = f"\0s4m-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        action = f"socket.socket(socket.AF_UNIX).connect({name!r})"
        assert inside(home, "import socket\n" + attempt(action)) == "ConnectionRefusedError"


def test_home_and_keys_are_not_there(home: Path) -> None:
    key = home / "keys" / "operator.json"
    assert inside(home, attempt(f"open({str(key)!r}).read()")) == "FileNotFoundError"
    assert inside(home, f"print(json.dumps(os.path.exists({str(home)!r})))") is False


def test_hidden_folder_is_covered_even_inside_a_shown_one(home: Path) -> None:
    listing = "print(json.dumps(os.listdir('/usr/share')))"
    assert inside(home, listing) != []
    assert inside(home, listing, hidden=(Path("/usr/share"),)) == []


def test_only_the_models_of_the_package_are_shown(home: Path) -> None:
    assert sorted(inside(home, "print(json.dumps(os.listdir('/app/orchestrator')))")) == ["__init__.py", "models"]
    assert set(inside(home, "print(json.dumps(os.listdir('/site')))")) <= {"numpy", "numpy.libs", "PIL", "pillow.libs"}


def test_environment_is_empty_but_for_what_models_need(home: Path) -> None:
    names = set(inside(home, "print(json.dumps(list(os.environ)))"))
    assert names <= {*bubblewrap.ENVIRONMENT, "PWD", "LC_CTYPE"}


def test_no_other_process_is_seen(home: Path) -> None:
    assert inside(home, "print(json.dumps([name for name in os.listdir('/proc') if name.isdigit()]))") == ["1"]


def test_other_instances_sockets_are_not_seen(home: Path, runtime: SandboxRuntime) -> None:
    other = runtime.ensure(InstanceSpec("cache-1", "orchestrator.models.edge_cache", {}, 128))
    action = f"socket.socket(socket.AF_UNIX).connect({str(other.socket)!r})"
    assert inside(home, "import socket\n" + attempt(action)) == "FileNotFoundError"


@pytest.mark.parametrize(
    "place", ["/usr/x", "/app/orchestrator/models/x.py", "/site/numpy/x.py", "/app/orchestrator/__init__.py"]
)
def test_code_and_libraries_cannot_be_changed(home: Path, place: str) -> None:
    assert inside(home, attempt(f"open({place!r}, 'w')")) == "OSError"


def test_a_private_tmp_is_all_that_is_writable(home: Path) -> None:
    assert inside(home, attempt("open('/tmp/x', 'w')")) == "done"
    walk = """
found = []
for folder, _, _ in os.walk('/'):
    if folder.startswith(('/proc', '/sys')):
        continue
    try:
        open(folder + '/.probe', 'w').close()
        found.append(folder)
    except OSError:
        pass
print(json.dumps(found))"""
    assert inside(home, walk) == ["/tmp"]  # noqa: S108  (the sandbox's own)


def test_no_capability_is_left(home: Path) -> None:
    status = inside(home, "print(json.dumps(open('/proc/self/status').read()))")
    effective = next(line for line in status.splitlines() if line.startswith("CapEff"))
    assert int(effective.split()[1], 16) == 0
    assert "NoNewPrivs:\t1" in status
