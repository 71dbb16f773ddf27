"""What a process that keeps its memory private shows: no core, nothing to trace, no password to those it starts."""

import os
import sys
from pathlib import Path

import pytest

from ledger.secrecy import passed_on

ABORTING = """
import os, resource, sys
from ledger.secrecy import keep_memory_private
most = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
os.chdir(sys.argv[1])
keep_memory_private()
os.abort()
"""
LOOKED_AT = """
import ctypes, os, resource
from ledger.secrecy import keep_memory_private
if os.getuid() == 0:
    os.setresuid(65534, 65534, 65534)  # root looks everywhere
prctl = ctypes.CDLL(None).prctl
prctl(4, 1, 0, 0, 0)
before = open("/proc/self/environ").read() != ""
keep_memory_private()
try:
    after = open("/proc/self/environ").read()
except PermissionError:
    after = "refused"
print(before, prctl(3, 0, 0, 0, 0), after)
"""


def test_aborted_process_leaves_no_core(tmp_path: Path) -> None:
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", ABORTING, str(tmp_path)], os.environ)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status)
    assert not os.WCOREDUMP(status)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux'")
def test_memory_and_environment_are_closed_to_others_of_the_same_user(tmp_path: Path) -> None:
    said = tmp_path / "said"
    out = (os.POSIX_SPAWN_OPEN, 1, str(said), os.O_WRONLY | os.O_CREAT, 0o600)
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", LOOKED_AT], os.environ, file_actions=[out])
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert said.read_text().split() == ["True", "0", "refused"]


def test_passwords_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S4M_WALLET_PASSWORD", "correct horse")
    monkeypatch.setenv("S4M_HOME", "/somewhere")
    assert "S4M_WALLET_PASSWORD" not in passed_on()
    assert passed_on()["S4M_HOME"] == "/somewhere"
