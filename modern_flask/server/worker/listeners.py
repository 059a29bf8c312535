"""Listening sockets, and what Linux knows about their queues."""

from __future__ import annotations

import ctypes
import logging
import os
import socket
import struct
import sys
from typing import Any

from gunicorn.http import wsgi

__all__ = ["Listener", "is_shared", "read_wait"]

logger = logging.getLogger(__name__)

_IS_LINUX = sys.platform == "linux"
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_TCP_INFO_UNACKED = slice(24, 28)  # of a listener: the length of its accept queue
_TCP_INFO_SACKED = slice(28, 32)  # of a listener: the limit of its accept queue
_TCP_INFO_LAST_DATA_RECEIVED = slice(52, 56)  # milliseconds
# Classic BPF: read byte 13 of the TCP header, the flags. Drop a segment with SYN and
# without ACK, and keep all others, among them the last ACK of a handshake under way.
_DROP_SYN = struct.pack(
    "HBBI" * 5,
    *(0x30, 0, 0, 13),
    *(0x54, 0, 0, 0x12),
    *(0x15, 0, 1, 0x02),
    *(0x06, 0, 0, 0),
    *(0x06, 0, 0, 0xFFFFFFFF),
)


class Listener:
    """One listening socket, and the environ that its requests have in common.

    Args:
        sock: Gunicorn's socket.
        cfg: Gunicorn's settings.
    """

    def __init__(self, sock: Any, cfg: Any) -> None:
        self.sock: socket.socket = sock.sock
        self.sock.setblocking(False)
        self.fd = self.sock.fileno()
        self.is_tcp = self.sock.family in (socket.AF_INET, socket.AF_INET6)
        name = self.sock.getsockname()
        self.name = name
        self.environ: dict[str, Any] = {
            **wsgi.base_environ(cfg),
            "SCRIPT_NAME": "",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.multithread": cfg.threads > 1,
        }
        if self.is_tcp:
            self.environ |= {"SERVER_NAME": name[0], "SERVER_PORT": str(name[1])}

    def stop_handshakes(self) -> bool:
        """Let no new connection begin; a client tries again, elsewhere or later.

        Only where the kernel is Linux, and lets this process do it: some refuse it to
        a process without privileges. The socket must not be needed anymore: its other
        users get no connections either.

        Returns:
            Whether new connections are kept out.
        """
        if not (_IS_LINUX and self.is_tcp):
            return False
        code = ctypes.create_string_buffer(_DROP_SYN)
        program = struct.pack("HL", len(_DROP_SYN) // 8, ctypes.addressof(code))
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        except OSError as error:
            # As elsewhere, the delay before this moment has to suffice.
            logger.info("New connections are not kept out: %s.", error.strerror)
            return False
        return True

    def count_waiting(self) -> int:
        """Count the connections that nobody has accepted; 0 if it is not known."""
        return self.read_queue()[0]

    def read_queue(self) -> tuple[int, int]:
        """Return how many connections wait, and how many may wait; 0 if not known."""
        if not (_IS_LINUX and self.is_tcp):
            return 0, 0
        info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        waiting, most = info[_TCP_INFO_UNACKED], info[_TCP_INFO_SACKED]
        return (
            int.from_bytes(waiting, sys.byteorder),
            int.from_bytes(most, sys.byteorder),
        )


def read_wait(sock: socket.socket) -> float:
    """Return for how many seconds the last bytes of a client have been there.

    0 if the kernel does not say it.
    """
    if not _IS_LINUX:
        return 0.0
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 56)
    except OSError:
        return 0.0
    milliseconds = int.from_bytes(info[_TCP_INFO_LAST_DATA_RECEIVED], sys.byteorder)
    return milliseconds / 1000


def is_shared(listeners: list[Listener]) -> bool | None:
    """Whether the sockets outlive the stop of this server.

    They do if gunicorn's master still has them, as at a reload, or a process that is
    neither a sibling of this one nor its parent, as at an upgrade by ``SIGUSR2`` or
    under systemd.

    Returns:
        None if that can't be known.
    """
    if not _IS_LINUX or _comes_from_systemd(os.getppid()):
        return None
    mine = {f"socket:[{os.fstat(each.fd).st_ino}]" for each in listeners}
    master = os.getppid()
    for name in os.listdir("/proc"):
        if not name.isdecimal() or int(name) == os.getpid():
            continue
        try:
            if not _has_any(int(name), mine):
                continue
            if int(name) == master or _read_parent(int(name)) != master:
                return True
        except (FileNotFoundError, ProcessLookupError):
            continue
        except OSError:
            # A process of another user, which can't have got the sockets from gunicorn.
            if int(name) == master:
                return None
    return False


def _comes_from_systemd(master: int) -> bool:
    """Whether the sockets may be those of a unit of systemd (sd_listen_fds(3))."""
    try:
        with open(f"/proc/{master}/environ", "rb") as environ:
            names = {each.partition(b"=")[0] for each in environ.read().split(b"\0")}
    except OSError:
        return True
    return b"LISTEN_FDS" in names


def _has_any(pid: int, links: set[str]) -> bool:
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        try:
            if os.readlink(f"{folder}/{name}") in links:
                return True
        except FileNotFoundError:
            continue
    return False


def _read_parent(pid: int) -> int:
    """Return the parent of a process: field 4 of ``/proc/PID/stat`` (proc(5))."""
    with open(f"/proc/{pid}/stat", "rb") as stat:
        return int(stat.read().rpartition(b")")[2].split()[1])
