"""Tracing: a child process that stops at each of its system calls that changes a file, by ptrace
alone.

The tracer sees each of these calls twice, before it happens and after, and decides whether the
child lives on.
"""

import ctypes
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace

PTRACE_TRACEME, PTRACE_SYSCALL, PTRACE_SETOPTIONS, PTRACE_GET_SYSCALL_INFO = 0, 24, 0x4200, 0x420E
OPTION_TRACESYSGOOD, OPTION_TRACECLONE, OPTION_EXITKILL = 1, 1 << 3, 1 << 20
ANY_THREAD = 1 << 30
"For waitpid: __WALL."
SYSCALL_STOP = signal.SIGTRAP | 0x80
ENTRY, EXIT = 1, 2

CALLS = {
    0xC000003E: {  # x86-64
        1: "write", 18: "pwrite64", 74: "fsync", 75: "fdatasync", 76: "truncate", 77: "ftruncate",
        82: "rename", 85: "creat", 87: "unlink", 257: "openat", 263: "unlinkat", 264: "renameat",
        285: "fallocate", 316: "renameat2",
    },
    0xC00000B7: {  # aarch64
        35: "unlinkat", 38: "renameat", 45: "truncate", 46: "ftruncate", 47: "fallocate",
        56: "openat", 64: "write", 68: "pwrite64", 82: "fsync", 83: "fdatasync", 276: "renameat2",
    },
}  # fmt: skip


class _Info(ctypes.Structure):
    """struct ptrace_syscall_info, of which an entry fills in number and arguments."""

    _fields_ = (
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("instruction", ctypes.c_uint64),
        ("stack", ctypes.c_uint64),
        ("number", ctypes.c_uint64),
        ("arguments", ctypes.c_uint64 * 6),
        ("rest", ctypes.c_uint64 * 2),
    )


@dataclass(frozen=True)
class Call:
    """One system call, before or after it happened."""

    name: str
    descriptor: int
    "Its first argument, which for some calls is none."
    is_over: bool


def _ptrace(request: int, pid: int = 0, address: int = 0, data: object = 0) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, pid, address, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace: {os.strerror(ctypes.get_errno())}")


def start(work: Callable[[int], None], *, is_traced: bool) -> tuple[int, int]:
    """Fork a child that does work(pipe); its pid, and the end from which to read what it writes
    there.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            if is_traced:
                os.setpgid(0, 0)  # its threads are waited for by it
                _ptrace(PTRACE_TRACEME)
                os.kill(os.getpid(), signal.SIGSTOP)
            work(writing)
            os._exit(0)
        except BaseException as error:
            os.write(writing, f"failed {error!r}\n".encode())
        finally:
            os._exit(1)
    os.close(writing)
    return pid, reading


def trace(pid: int, may_go_on: Callable[[Call], bool]) -> bool:
    """Let a child started with is_traced run; True when it ended, False when may_go_on ended it
    with SIGKILL.
    """
    os.waitpid(pid, 0)
    options = OPTION_TRACESYSGOOD | OPTION_TRACECLONE | OPTION_EXITKILL
    _ptrace(PTRACE_SETOPTIONS, pid, 0, options)
    info, entered, thread = _Info(), dict[int, Call | None](), pid
    while True:
        _ptrace(PTRACE_SYSCALL, thread)
        thread, status = os.waitpid(-pid, ANY_THREAD)
        while not os.WIFSTOPPED(status):
            if thread == pid:
                return True
            thread, status = os.waitpid(-pid, ANY_THREAD)
        if os.WSTOPSIG(status) != SYSCALL_STOP:
            continue
        _ptrace(PTRACE_GET_SYSCALL_INFO, thread, ctypes.sizeof(info), ctypes.byref(info))
        if info.op == ENTRY:
            name = CALLS[info.arch].get(info.number)
            entered[thread] = None if name is None else Call(name, int(info.arguments[0]), False)
        call = entered.get(thread)
        if call is not None and not may_go_on(replace(call, is_over=info.op == EXIT)):
            os.kill(pid, signal.SIGKILL)
            while os.waitpid(-pid, ANY_THREAD)[0] != pid:
                pass
            return False


def is_possible() -> bool:
    """Whether this system lets a process trace its child."""
    try:
        pid, reading = start(lambda _: None, is_traced=True)
        os.close(reading)
        return trace(pid, lambda _: True)
    except (OSError, KeyError):
        return False
