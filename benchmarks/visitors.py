"""A load generator for a local web server: keep-alive connections with one request at a time on each."""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
TIMEOUT = 60.0  # seconds without any response


@dataclass
class Visit:
    """The results of some requests. wall, waits: seconds. cpu: seconds of the server. statuses: responses by status."""

    wall: float = 0.0
    cpu: float = 0.0
    waits: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    received: int = 0  # bytes

    def figures(self) -> dict[str, float]:
        waits, number = sorted(self.waits), len(self.waits)
        return {
            "requests/s": number / self.wall,
            "p50 ms": waits[number // 2] * 1000,
            "p99 ms": waits[min(number - 1, number * 99 // 100)] * 1000,
            "CPU ms": self.cpu / number * 1000,
        }


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: tips.example\r\nAccept: text/html,*/*;q=0.8\r\n\r\n".encode()


def post(path: str, body: str, kind: str, accept: str = "text/html") -> bytes:
    data = body.encode()
    head = f"POST {path} HTTP/1.1\r\nHost: tips.example\r\nAccept: {accept}\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def visit(
    port: int, pid: int, requests: Sequence[bytes], *, clients: int, rate: float = 0.0, expect: int = 200
) -> Visit:
    """Send all requests over `clients` connections. rate: requests per second; 0 sends each after the last response.

    With a rate, the wait is counted from the time when the request was due, so that a server that falls behind does
    not look fast (coordinated omission).
    """
    load = _LoadGenerator(port, requests, clients, rate)
    before, began = cpu_of(pid), time.perf_counter()
    load.run()
    seen = load.seen
    seen.wall, seen.cpu = time.perf_counter() - began, cpu_of(pid) - before
    if set(seen.statuses) != {expect}:
        sys.exit(f"expected status {expect}, got {dict(seen.statuses)}; the last response: {load.last[:300]!r}")
    return seen


def cpu_of(pid: int) -> float:
    """The CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class _LoadGenerator:
    def __init__(self, port: int, requests: Sequence[bytes], clients: int, rate: float) -> None:
        self._address, self._waiting, self._left = ("127.0.0.1", port), deque(requests), len(requests)
        self._interval = 1 / rate if rate else 0.0
        self._poll = select.epoll()
        self._busy: dict[int, tuple[socket.socket, float, bytearray]] = {}
        self._free = [self._connect() for _ in range(clients)]
        self.seen, self.last = Visit(), b""

    def run(self) -> None:
        start, sent = time.perf_counter(), 0
        while self._left:
            now = time.perf_counter()
            while self._free and self._waiting and (not self._interval or start + sent * self._interval <= now):
                self._send(
                    self._free.pop(), self._waiting.popleft(), start + sent * self._interval if self._interval else now
                )
                sent += 1
            idle = self._interval and self._free and self._waiting
            events = self._poll.poll(max(0.0, start + sent * self._interval - now) if idle else TIMEOUT)
            if not events and not idle:
                sys.exit("the server no longer responds")
            for number, _ in events:
                self._read(number)
        for connection in self._free:
            connection.close()
        self._poll.close()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll.register(connection, select.EPOLLIN)
        return connection

    def _send(self, connection: socket.socket, request: bytes, due: float) -> None:
        self._busy[connection.fileno()] = connection, due, bytearray()
        connection.sendall(request)

    def _read(self, number: int) -> None:
        connection, due, response = self._busy[number]
        data = connection.recv(1 << 18)
        if not data:
            sys.exit(f"the server closed the connection after {bytes(response[:200])!r}")
        response += data
        head = response.find(b"\r\n\r\n")
        if head < 0:
            return
        place = response.lower().find(b"content-length:", 0, head)
        length = int(response[place + 15 : response.find(b"\r", place)]) if place >= 0 else 0
        if len(response) < head + 4 + length:
            return
        self.seen.waits.append(time.perf_counter() - due)
        self.seen.statuses[int(response[9:12])] += 1
        self.seen.received += len(response)
        self.last = bytes(response)
        self._left -= 1
        del self._busy[number]
        self._free.append(connection)
