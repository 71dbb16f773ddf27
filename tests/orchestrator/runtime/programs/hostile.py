"""A model whose program is hostile: each call tries to get out of its sandbox or to use more than its grant, and tells
what came of it. The tests run it in the real sandbox; it serves as every model does."""

import ctypes
import mmap
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.models.serving import Answer, Program, Request, json_answer, run

LIBC = ctypes.CDLL(None, use_errno=True)
KEPT: list[Any] = []
X86_64 = os.uname().machine == "x86_64"


def outcome(action: Callable[[], Any]) -> str:
    """What came of it: "done", or the error's name."""
    try:
        action()
    except OSError as error:
        return type(error).__name__ if error.errno is None else os.strerror(error.errno)
    except (MemoryError, RuntimeError) as error:
        return type(error).__name__
    return "done"


def burn(request: Request) -> Answer:
    """Threads that compute without end. (hashing releases the interpreter's lock: they use several cores)"""
    from hashlib import pbkdf2_hmac

    def forever() -> None:
        while True:
            pbkdf2_hmac("sha256", b"x", b"y", 20_000)

    for _ in range(request.integer("threads", 2, 1, 8)):
        threading.Thread(target=forever, daemon=True).start()
    return json_answer("burning")


def allocate(_: Request) -> Answer:
    """Private memory until it is refused."""
    held: list[bytearray] = []

    def more() -> None:
        while True:
            held.append(bytearray(8 << 20))

    came = outcome(more)
    return json_answer({"came": came, "mib": 8 * len(held)})


def share_memory(request: Request) -> Answer:
    """Shared memory, which no limit of a process counts, touched page by page."""
    size = request.integer("mib", 512, 1, 8192) << 20
    block = mmap.mmap(-1, size)
    KEPT.append(block)
    for at in range(0, size, mmap.PAGESIZE):
        block[at] = 1
    return json_answer("done")


def memory_file(_: Request) -> Answer:
    """Memory behind a descriptor, mapped nowhere."""
    return json_answer(outcome(lambda: KEPT.append(os.memfd_create("x"))))


def fork(_: Request) -> Answer:
    """Twice, so that the grandchild outlives everybody."""
    return json_answer([outcome(os.fork), outcome(lambda: os.posix_spawn("/usr/bin/true", ["true"], {}))])


def raw_fork(_: Request) -> Answer:
    """The system calls themselves, past every library: fork, vfork, clone without threads, clone3."""
    numbers = (57, 58, 56, 435) if X86_64 else (220, 435)
    return json_answer([LIBC.syscall(number, 0, 0, 0, 0, 0) for number in numbers])


def many_threads(_: Request) -> Answer:
    """Threads without end, all of which wait."""
    threading.stack_size(32 << 10)
    never = threading.Event()

    def more() -> None:
        while True:
            threading.Thread(target=never.wait, daemon=True).start()

    return json_answer(outcome(more))


def fill(request: Request) -> Answer:
    """As much as a place takes."""
    place = Path(request.text("place", most=200))
    written = 0

    def more() -> None:
        nonlocal written
        for number in range(10_000):
            with (place / f"fill-{number}").open("wb") as file:
                for _ in range(15):
                    written += file.write(bytes(1 << 20))

    return json_answer({"came": outcome(more), "mib": written >> 20})


def many_files(_: Request) -> Answer:
    """Empty files, which have no size but an inode each."""

    def more() -> None:
        for number in range(10_000_000):
            Path(f"/tmp/empty-{number}").touch()  # noqa: S108

    return json_answer(outcome(more))


def talk(_: Request) -> Answer:
    """Fills the log that the host keeps of what it prints."""

    def more() -> None:
        while True:
            os.write(1, bytes(1 << 20))

    return json_answer(outcome(more))


def descriptors(_: Request) -> Answer:
    """Opens until nothing opens."""
    held: list[int] = []

    def more() -> None:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))

    came = outcome(more)
    for one in held:
        os.close(one)
    return json_answer({"came": came, "opened": len(held)})


def inherited(_: Request) -> Answer:
    """What its descriptors lead to."""
    names = []
    for name in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return json_answer(names)


def touch(request: Request) -> Answer:
    """Reads or writes a file of the host."""
    path, mode = request.text("path", most=500), request.text("mode", "r")
    return json_answer(outcome(lambda: open(path, mode).close()))


def link(request: Request) -> Answer:
    """Puts a symbolic link where it may write and reads through it."""
    target = request.text("path", most=500)
    place = Path("/tmp/link")  # noqa: S108
    place.unlink(missing_ok=True)
    place.symlink_to(target)
    return json_answer(outcome(place.read_bytes))


def replace_door(_: Request) -> Answer:
    """Puts something else where its own socket lies, so that whoever calls it is led elsewhere."""
    path = socket.socket(fileno=os.dup(listening())).getsockname()
    return json_answer({"path": path, "came": outcome(lambda: os.unlink(path))})


def listening() -> int:
    for name in os.listdir("/proc/self/fd"):
        try:
            if socket.socket(fileno=os.dup(int(name))).getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return int(name)
        except OSError:
            continue
    raise AssertionError("no listening socket")


def connect(request: Request) -> Answer:
    """Opens a connection: to a Unix socket by path, or to a port of the host."""

    def by_path() -> None:
        socket.socket(socket.AF_UNIX).connect(request.text("path", most=500))

    def by_port() -> None:
        socket.create_connection(("127.0.0.1", request.integer("port", 0, 0, 65_535)), 2).close()

    return json_answer(outcome(by_path if "path" in request.params else by_port))


def families(_: Request) -> Answer:
    """Sockets that no network namespace covers: vsock, the kernel's crypto, raw packets."""
    opened = {
        "vsock": lambda: socket.socket(40, socket.SOCK_STREAM),
        "crypto": lambda: socket.socket(38, socket.SOCK_SEQPACKET),
        "packet": lambda: socket.socket(17, socket.SOCK_RAW),
    }
    return json_answer({name: outcome(action) for name, action in opened.items()})


def processes(request: Request) -> Answer:
    """Whom it sees, and whether it can end one by the host's number."""
    pid = request.integer("pid", 1, 1, 1 << 30)
    seen = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return json_answer({"seen": seen, "kill": outcome(lambda: os.kill(pid, signal.SIGKILL))})


def kernel(_: Request) -> Answer:
    """Calls that reach over a process, a namespace or the kernel itself: what each answered."""
    LIBC.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]
    key_call, memory_call, ring_call, bpf_call = (248, 29, 425, 321) if X86_64 else (217, 194, 425, 280)
    answers = {
        "ptrace": LIBC.ptrace(16, 1, 0, 0),
        "mount": LIBC.mount(b"none", b"/tmp", b"tmpfs", 0, None),
        "unmount": LIBC.umount2(b"/app", 2),
        "remount": LIBC.mount(None, b"/", None, 32 | 4096, None),
        "unshare user": LIBC.unshare(0x10000000),
        "chroot": LIBC.chroot(b"/tmp"),
        "add_key": LIBC.syscall(key_call, b"user", b"k", b"v", 1, -4),
        "shmget": LIBC.syscall(memory_call, 0, 4096, 0o1600),
        "io_uring": LIBC.syscall(ring_call, 1, ctypes.create_string_buffer(256)),
        "bpf": LIBC.syscall(bpf_call, 0, ctypes.create_string_buffer(128), 128),
        "sethostname": LIBC.sethostname(b"x", 1),
    }
    return json_answer(answers)


def raise_limits(_: Request) -> Answer:
    """Its own limits, upwards, and its own niceness, downwards."""
    import resource

    def higher(which: int) -> Callable[[], None]:
        return lambda: resource.setrlimit(which, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    limits = {"data": resource.RLIMIT_DATA, "files": resource.RLIMIT_NOFILE, "file size": resource.RLIMIT_FSIZE}

    def tried(action: Callable[[], Any]) -> str:
        try:
            return outcome(action)
        except ValueError as error:
            return str(error)

    return json_answer({name: tried(higher(which)) for name, which in limits.items()} | {"nice": tried(calmer)})


def calmer() -> None:
    if os.nice(-20) > 0:
        raise PermissionError(1, "niceness stayed")


def ignore_the_end(_: Request) -> Answer:
    """Means to live on when it is told to end."""
    KEPT.append("deaf")
    return json_answer("deaf")


def hang(_: Request) -> Answer:
    """Never answers."""
    threading.Event().wait()
    raise AssertionError


CALLS = (
    *(burn, allocate, share_memory, memory_file, fork, raw_fork, many_threads, fill, many_files, talk, descriptors),
    *(inherited, touch, link, replace_door, connect, families, processes, kernel, raise_limits, ignore_the_end, hang),
)

if __name__ == "__main__":
    program = Program("hostile", {call.__name__: call for call in CALLS})

    def stay(*_: object) -> None:
        """Deaf to SIGTERM."""

    handler, signal.signal = signal.signal, lambda number, _: handler(number, stay)  # type: ignore[assignment]
    run(program)
