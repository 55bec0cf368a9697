"""Emails per second to a distant mail server: a local TCP proxy delays every byte by half a round trip."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from common import (
    CHECKOUT,
    arguments,
    environ,
    fill_in_a_process,
    free_port,
    interleaved,
    machine,
    measure,
    program,
    report,
    scratch,
    smtp_sink,
    wait_for,
)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Forward one direction: what arrives is written `delay` seconds later, in order, without a limit on what is in flight."""
    loop, in_flight = asyncio.get_running_loop(), asyncio.Queue[tuple[float, bytes]]()

    async def forward() -> None:
        data = b"x"
        while data:
            due, data = await in_flight.get()
            await asyncio.sleep(due - loop.time())
            writer.write(data)
            await writer.drain()
        writer.close()

    forwarding = asyncio.create_task(forward())
    try:
        data = b"x"
        while data:
            data = await reader.read(65_536)
            in_flight.put_nowait((loop.time() + delay, data))
    except OSError:
        in_flight.put_nowait((loop.time(), b""))
    await asyncio.gather(forwarding, return_exceptions=True)


async def relay(port: int, target: int, delay: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(pump(reader, far_writer, delay), pump(far_reader, writer, delay))

    server = await asyncio.start_server(connected, "127.0.0.1", port, limit=1 << 20)
    async with server:
        await server.serve_forever()


@contextmanager
def far_away(target: int, round_trip: float) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, __file__, "--relay", str(port), str(target), str(round_trip / 2)]
    process = subprocess.Popen(command, env={"PYTHONPATH": str(CHECKOUT)})
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = arguments(__doc__ or "", emails=150, rounds=3, round_trip_ms=30, sink="")
    options = parser.parse_args()
    where, sink, trip = machine(), program("smtp-sink", options.sink), options.round_trip_ms / 1000
    with scratch() as directory:
        fill_in_a_process(directory / "full.db", options.emails * 50, directory / "email.eml")

        def run(connections: int, *sink_options: str) -> Callable[[], Mapping[str, float]]:
            return lambda: one_run(directory, sink, trip, connections, options.emails * connections, sink_options)

        contestants = {}
        for connections in (10, 50):
            contestants[f"{connections} connections, pipelined"] = run(connections)
            contestants[f"{connections} connections, not pipelined"] = run(connections, "-p")
        medians = interleaved(options.rounds, contestants)
    rows = []
    for name, found in medians.items():
        connections = int(name.split()[0])
        trips = connections / found["emails/s"] / trip
        plain = medians[f"{connections} connections, not pipelined"]["emails/s"]
        rows.append([name, f"{found['emails/s'] / plain:.2f} ×", f"{found['emails/s']:,.0f}", f"{trips:.1f}"])
    head = ["newsletter with", "to not pipelined", "emails/s", "round trips per email"]
    report(f"A round trip of {options.round_trip_ms} ms", head, rows, where, markdown=options.markdown)


def one_run(
    directory: Path, sink: str, trip: float, connections: int, emails: int, sink_options: tuple[str, ...]
) -> dict[str, float]:
    database = directory / "run.db"
    shutil.copy(directory / "full.db", database)
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM subscription WHERE subscriber_id > ?", (emails,))
        connection.execute("DELETE FROM subscriber WHERE id > ?", (emails,))
    connection.close()
    with smtp_sink(sink, *sink_options) as near, far_away(near, trip) as port:
        env = environ(database, port, connections=connections, PYTHONPATH=str(CHECKOUT))
        printed = measure([sys.executable, "-m", "newsletter", "--json", "issues", "send", "--now"], env).output
    with sqlite3.connect(database) as connection:
        query = "SELECT min(first_attempt_at), max(last_at), sum(state = 'sent') FROM delivery"
        first, last, sent = connection.execute(query).fetchone()
    connection.close()
    for left in directory.glob("run.db*"):
        left.unlink()
    if sent != emails:
        sys.exit(f"only {sent} of {emails} were sent: {json.dumps(printed)}")
    return {"emails/s": emails / (last - first) * 1000}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--relay"]:
        asyncio.run(relay(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
    else:
        main()
