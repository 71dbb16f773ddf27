"""What a model's program may not ask of the kernel: a seccomp filter, as the bytes that bubblewrap loads before exec.

`sandbox` passes it. One program is one process: it may start threads, not processes, so that nothing can outlive it,
hide from its accounting, or fork without end. Refused besides are other processes' memory, mounts and namespaces,
key rings and shared memory that no namespace or limit covers, and the kernel's own doors. A refused call fails with
EPERM; it does not end the program. Sources: seccomp(2), linux/filter.h, asm/unistd_64.h and asm-generic/unistd.h.
"""

import errno
import os
import struct
from dataclasses import dataclass
from functools import cache

from orchestrator.runtime.errors import SandboxUnavailable

REFUSED: dict[str, tuple[int | None, int | None]] = {
    "fork": (57, None),
    "vfork": (58, None),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "mount": (165, 40),
    "umount2": (166, 39),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "personality": (135, 92),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "fanotify_init": (300, 262),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
}
"""System call → its number on x86_64 and in the generic table (aarch64, riscv64); None where it does not exist."""
FAMILIES = (1, 2, 10, 16)
"""Socket families that exist inside: Unix, IPv4, IPv6 and netlink, all of the sandbox's own namespace. Others (vsock,
the kernel's crypto, packets) are not covered by it."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_CLONE_THREAD = 0x00010000
_X32_BIT = 0x40000000


@dataclass(frozen=True)
class _Architecture:
    audit: int
    """AUDIT_ARCH of linux/audit.h"""
    column: int
    """of REFUSED"""
    clone: int
    clone3: int
    socket: int


_GENERIC = {"column": 1, "clone": 220, "clone3": 435, "socket": 198}
ARCHITECTURES = {
    "x86_64": _Architecture(0xC000003E, 0, 56, 435, 41),
    "aarch64": _Architecture(0xC00000B7, **_GENERIC),
    "riscv64": _Architecture(0xC00000F3, **_GENERIC),
}


@cache
def filter_for(machine: str | None = None) -> bytes:
    """The filter's bytes for this machine (`uname -m`). Raises SandboxUnavailable where its numbers are not known."""
    name = machine or os.uname().machine
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise SandboxUnavailable("architecture_unknown", f"run this program on one of {known}", name)
    arch = ARCHITECTURES[name]
    numbers = [pair[arch.column] for pair in REFUSED.values()]
    return b"".join(
        (
            *(_step(_LOAD, _ARCHITECTURE), _step(_EQUAL, arch.audit, yes=1), _step(_RETURN, _KILL)),
            *(_step(_LOAD, _NUMBER), _step(_AT_LEAST, _X32_BIT, no=1), _refuse(errno.EPERM)),
            *(_step(_EQUAL, number, no=1) + _refuse(errno.EPERM) for number in numbers if number is not None),
            *(_step(_EQUAL, arch.clone3, no=1), _refuse(errno.ENOSYS)),  # its flags lie in memory; libraries fall back
            *(_step(_EQUAL, arch.clone, no=4), _step(_LOAD, _FIRST_ARGUMENT)),
            *(_step(_ANY_BIT, _CLONE_THREAD, no=1), _step(_RETURN, _ALLOW), _refuse(errno.EPERM)),
            *(_step(_EQUAL, arch.socket, no=2 + len(FAMILIES)), _step(_LOAD, _FIRST_ARGUMENT)),
            *(_step(_EQUAL, family, yes=len(FAMILIES) - at) for at, family in enumerate(FAMILIES)),
            *(_refuse(errno.EAFNOSUPPORT), _step(_RETURN, _ALLOW)),
        )
    )


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """One instruction: `yes` and `no` are how many of the next are skipped where a comparison holds or does not."""
    return struct.pack("=HBBI", code, yes, no, value)


def _refuse(number: int) -> bytes:
    return _step(_RETURN, _ERROR | number)
