"""A local chain: starts, controls and stops anvil.

Called by `s4m up`, `s4m devnet` and tests. Blocks come each second and at once when a transaction arrives; with one
slot in an epoch the final block is two behind the newest. It starts the native binary, never npm's wrapper (a killed
wrapper leaves anvil running), and stops only what it started.
"""

from __future__ import annotations

import json
import platform
import secrets
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from ledger.errors import AnvilMissing, DevnetFailed, NodeDown, NodeError, PortTaken
from ledger.rpc import Rpc
from ledger.secrecy import passed_on
from ledger.values import Address

HOST = "127.0.0.1"
HARDFORK = "osaka"  # has the P-256 precompile that passkeys are checked with
DEVNET_CHAIN_ID = 31337
_REPOSITORY = Path(__file__).parent.parent
_ATTEMPTS = 5  # at a free port that another program took first
_MENDING_S = 10.0  # one reorganisation in three leaves a gap at hundreds of transactions a second
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class Devnet:
    """A running anvil. `start` runs one; `attach` gives the control verbs for one that somebody else runs."""

    def __init__(self, rpc_url: str) -> None:
        self.rpc_url = rpc_url
        self._process: subprocess.Popen[bytes] | None = None
        self._rpc = Rpc(rpc_url, timeout_s=10.0)

    @classmethod
    def start(
        cls,
        port: int = 0,
        home: Path | None = None,
        slots_in_an_epoch: int = 1,
        block_time: int = 1,
        anvil: Path | None = None,
        chain_id: int = DEVNET_CHAIN_ID,
        hardfork: str = HARDFORK,
        timeout_s: float = 20.0,
    ) -> Devnet:
        """Starts anvil and waits for its first answer; raises PortTaken, AnvilMissing, DevnetFailed.

        Port 0 means a free one; `hardfork` is anvil's name for the chain's rules. With a home the chain's state is
        kept in home/chain/state.json (written each second and at the end, read at the start) and the log in
        home/chain/anvil.log; without, both end with the process.
        The state of blocks before a restart is not kept (an hour of it is a gigabyte), so a few blocks are mined at
        once, until the final one can be read again; their events and transactions are kept.
        """
        binary = anvil or find_anvil()
        goes_on = home is not None and _state_path(home).exists()
        if home is not None:
            _keep_one_genesis(home)
        options = [
            *("--silent", "--host", HOST, "--chain-id", str(chain_id), "--hardfork", hardfork),
            *("--block-time", str(block_time), "--mixed-mining", "--slots-in-an-epoch", str(slots_in_an_epoch)),
            *_genesis_options(home),
            *_state_options(home),
        ]
        for _ in range(_ATTEMPTS if port == 0 else 1):
            chosen = port or _free_port()
            if port and _is_taken(port):
                raise PortTaken(HOST, port)
            try:
                devnet = cls._launch(binary, chosen, options, home, timeout_s)
                if goes_on:
                    devnet.mine(2 * slots_in_an_epoch + 1)
                return devnet
            except PortTaken as error:
                taken = error
        raise taken

    @classmethod
    def attach(cls, rpc_url: str) -> Devnet:
        return cls(rpc_url)

    @classmethod
    def _launch(cls, binary: Path, port: int, options: list[str], home: Path | None, timeout_s: float) -> Devnet:
        devnet = cls(f"http://{HOST}:{port}")  # first: once the process runs, nothing may fail unstopped
        with _log(home) as log:
            try:
                devnet._process = process = subprocess.Popen(
                    [str(binary), "--port", str(port), *options],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=passed_on(),
                    start_new_session=True,  # a Ctrl-C meant for the caller must not end the chain first
                )
            except OSError as error:
                raise AnvilMissing(str(binary)) from error
        try:
            devnet._await_first_answer(process, port, timeout_s)
        except BaseException:
            devnet.stop()
            raise
        return devnet

    def _await_first_answer(self, process: subprocess.Popen[bytes], port: int, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if process.poll() is not None:
                if _is_taken(port):
                    raise PortTaken(HOST, port)
                raise DevnetFailed(f"anvil ended with code {process.returncode}")
            try:
                self._rpc.request("eth_chainId")
                return
            except NodeDown:
                time.sleep(0.02)
        raise DevnetFailed(f"no answer within {timeout_s:g} s")

    def __enter__(self) -> Devnet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The process that `start` started; None where attached."""
        return self._process.pid if self._process else None

    @property
    def port(self) -> int:
        return int(self.rpc_url.rsplit(":", 1)[1])

    def running(self) -> bool:
        """True while the process that `start` started runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ends what `start` started (its state is written first); does nothing where attached. May be repeated."""
        self._rpc.close()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    # control verbs

    def fund(self, account: Address, wei: int = 10**20) -> None:
        """Sets the account's gas money."""
        self._rpc.request("anvil_setBalance", [account, hex(wei)])

    def mine(self, blocks: int = 1) -> None:
        self._rpc.request("anvil_mine", [hex(blocks)])

    def reorg(self, depth: int) -> None:
        """Replaces the newest `depth` blocks by empty ones; their transactions are gone, also from the pool.

        anvil does not hold its miner meanwhile: a block mined between its taking back and its replacing is numbered
        after the old tip, and the numbers between are of no block, for ever. So they are looked for, and what follows
        the last whole block is replaced once more. Raises DevnetFailed where that does not help.
        """
        kept = self._height() - depth
        self._rpc.request("anvil_reorg", [depth, []])
        deadline = time.monotonic() + _MENDING_S
        while gone := self._first_gone_after(kept):
            if time.monotonic() > deadline:
                raise DevnetFailed(f"block {gone} is missing after a reorganisation: blocks come too fast to mend it")
            with suppress(NodeError):  # a block more came in between: the depth leads into the gap
                self._rpc.request("anvil_reorg", [self._height() - gone + 1, []])

    def _first_gone_after(self, kept: int) -> int | None:
        """The first number after `kept`, up to the newest block's, that no block has."""
        numbers = range(kept + 1, self._height() + 1)
        blocks = self._rpc.batch([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
        return next((number for number, block in zip(numbers, blocks, strict=True) if block is None), None)

    def _height(self) -> int:
        return int(self._rpc.request("eth_blockNumber"), 16)

    def increase_time(self, seconds: int) -> None:
        """Moves the chain's clock on and mines a block there."""
        self._rpc.request("evm_increaseTime", [hex(seconds)])
        self.mine()

    def hold_blocks(self) -> None:
        """No blocks until `release_blocks` (or `mine`): transactions wait."""
        self._rpc.request("evm_setAutomine", [False])
        self._rpc.request("evm_setIntervalMining", [0])

    def release_blocks(self, block_time: int = 1) -> None:
        """Blocks each `block_time` seconds again; what waited is mined at once."""
        self._rpc.request("evm_setIntervalMining", [block_time])
        self.mine()


def find_anvil(*roots: Path) -> Path:
    """The native binary of @foundry-rs/anvil below a root's node_modules; raises AnvilMissing.

    The roots are, where none is given, the repository (for a wheel: where it is installed) and the current folder.
    """
    machine = platform.machine().lower()
    system = "linux" if sys.platform.startswith("linux") else sys.platform
    name = f"anvil-{system}-{_MACHINES.get(machine, machine)}"
    places = [root / "node_modules" / "@foundry-rs" / name / "bin" / "anvil" for root in roots or _roots()]
    for binary in places:
        if binary.is_file():
            return binary
    raise AnvilMissing(" or ".join(dict.fromkeys(map(str, places))))


def _roots() -> tuple[Path, ...]:
    return _REPOSITORY, Path.cwd()


def _state_path(home: Path) -> Path:
    return home / "chain" / "state.json"


def _genesis_options(home: Path | None) -> list[str]:
    """A first base fee of 1 gwei and a random bit more, in wei: tells apart two chains born in the same second.

    Their genesis blocks would be equal otherwise, and a replaced chain would pass for the old one.
    """
    if home is not None and _state_path(home).exists():
        return []
    return ["--base-fee", str(10**9 + secrets.randbelow(10**8))]


def _keep_one_genesis(home: Path) -> None:
    """Takes the foreign first blocks out of the chain's state.

    anvil makes a genesis block at each start, loads the state over it and writes both out again; at the next start it
    takes any of them for the chain's first. While the state has one alone, that is the true one, and is remembered.
    """
    path, remembered = _state_path(home), home / "chain" / "genesis.json"
    if not path.exists():
        remembered.unlink(missing_ok=True)
        return
    state = json.loads(path.read_text())
    first = [block["header"] for block in state["blocks"] if int(block["header"]["number"], 16) == 0]
    if len(first) == 1:
        _replace(remembered, first[0])
    elif remembered.exists():
        true = json.loads(remembered.read_text())
        state["blocks"] = [b for b in state["blocks"] if int(b["header"]["number"], 16) or b["header"] == true]
        _replace(path, state)


def _replace(path: Path, document: object) -> None:
    """The file has the old or the new content, never a part."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(document))
    draft.replace(path)


def _state_options(home: Path | None) -> list[str]:
    if home is None:
        return []
    state = _state_path(home)
    state.parent.mkdir(parents=True, exist_ok=True)
    return ["--state", str(state), "--state-interval", "1"]


def _log(home: Path | None) -> IO[bytes]:
    """Where anvil's errors go."""
    return open("/dev/null" if home is None else home / "chain" / "anvil.log", "ab")


def _is_taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
