"""Ports on loopback for demos that run at the same time."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOST = "127.0.0.1"
FIRST, LAST = 8000, 8099


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that is free, for as long as the context lasts: 8000 if possible.

    The daemon of a demo is started more than once, so its port is free in between. A lock keeps other demos away from it;
    the lock ends with this process, however it ends.
    """
    for port in range(FIRST, LAST + 1):
        path = Path(tempfile.gettempdir()) / f"newsletter-demo-{os.getuid()}-{port}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            if _lock(descriptor, path) and _is_free(port):
                yield port
                path.unlink(missing_ok=True)
                return
        finally:
            os.close(descriptor)
    raise OSError(f"no port from {FIRST} to {LAST} is free")


def _lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())  # no other demo has deleted it in between
    except OSError:
        return False


def _is_free(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True
