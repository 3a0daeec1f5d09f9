"""The system-call filter of the sandbox, as a classic BPF program (seccomp(2)).

Namespaces already keep a program away from files, network and other processes. The filter takes away what they leave:
further namespaces and with them much of the kernel's attack surface, sockets other than Unix ones (loopback exists in
an empty network namespace), and memory that no resource limit counts (System V shared memory, memfd).
"""

from __future__ import annotations

import errno
import platform
import struct

CLONE_NEW_ANY = 0x7E020080
"""CLONE_NEWTIME (0x80) to CLONE_NEWNET: any new namespace."""
AF_UNIX = 1
X32_BIT = 0x40000000
"""x86-64 only: system-call numbers of the x32 ABI, which would walk past the list below."""

# Audit architecture (linux/audit.h), then for each name the number in <asm/unistd.h>.
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CLONE, CLONE3, SOCKET = {"x86_64": 56, "aarch64": 220}, 435, {"x86_64": 41, "aarch64": 198}
DENIED = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "personality": (135, 92),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
}
"""Name to the numbers on x86_64 and aarch64; these calls fail with EPERM."""

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
"""Offsets in `struct seccomp_data`; both machines are little-endian, so an argument's low word stands first."""


def supported() -> bool:
    """Whether the filter exists for this machine."""
    return platform.machine() in ARCHITECTURES


def seccomp_filter(machine: str) -> bytes:
    """The filter as an array of `struct sock_filter`, as bubblewrap's `--seccomp` reads it.

    Raises:
        KeyError: no filter for this machine, see `ARCHITECTURES`.
    """
    column = list(ARCHITECTURES).index(machine)
    lines = [
        _line(LOAD, ARCHITECTURE),
        _line(JUMP_EQUAL, ARCHITECTURES[machine], 1, 0),
        _line(RETURN, KILL_PROCESS),
        _line(LOAD, NUMBER),
    ]
    if machine == "x86_64":
        lines += [_line(JUMP_AT_LEAST, X32_BIT, 0, 1), _line(RETURN, ERRNO | errno.ENOSYS)]
    # clone3 hides its flags behind a pointer; without it the C library falls back to clone.
    lines += [_line(JUMP_EQUAL, CLONE3, 0, 1), _line(RETURN, ERRNO | errno.ENOSYS)]
    for numbers in DENIED.values():
        lines += [_line(JUMP_EQUAL, numbers[column], 0, 1), _line(RETURN, ERRNO | errno.EPERM)]
    lines += [
        _line(JUMP_EQUAL, CLONE[machine], 0, 4),
        _line(LOAD, FIRST_ARGUMENT),
        _line(JUMP_ANY_BIT, CLONE_NEW_ANY, 0, 1),
        _line(RETURN, ERRNO | errno.EPERM),
        _line(RETURN, ALLOW),
        _line(JUMP_EQUAL, SOCKET[machine], 0, 3),
        _line(LOAD, FIRST_ARGUMENT),
        _line(JUMP_EQUAL, AF_UNIX, 1, 0),
        _line(RETURN, ERRNO | errno.EACCES),
        _line(RETURN, ALLOW),
    ]
    return b"".join(lines)


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
