"""One issue to many readers with the whole ledger on, into Debian's smtp-sink, beside its peers. A run takes minutes."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from common import (
    CHECKOUT,
    arguments,
    environ,
    fill_apart,
    interleaved,
    machine,
    measure,
    postfix_environ,
    program,
    report,
    say,
    scratch,
    smtp_sink,
)

Contestant = Callable[[], Mapping[str, float]]
PEERS = CHECKOUT / "benchmarks" / "peers.py"
NODE = CHECKOUT / "benchmarks" / "nodemailer.mjs"


def main() -> None:
    parser = arguments(
        __doc__ or "", readers=60_000, connections=10, rounds=3, peer_letters=6000, sink="", source="", dkim=False
    )
    options = parser.parse_args()
    where = machine()
    with scratch() as directory:
        arena = Arena(
            directory, options.readers, options.connections, options.peer_letters, program("smtp-sink", options.sink)
        )
        contestants = arena.signed() if options.dkim else arena.plain(program("smtp-source", options.source))
        medians = interleaved(options.rounds, contestants)
    ours = next(name for name in medians if name.startswith("ours"))
    rows = [
        [
            name,
            f"{medians[ours]['letters/s'] / found['letters/s']:.2f} ×" if name != ours else "",
            f"{found['letters/s']:,.0f}",
            f"{found['CPU ms']:.3f}",
            f"{found['peak MiB']:.0f}",
        ]
        for name, found in medians.items()
    ]
    title = f"{options.readers:,} readers, {options.connections} connections, a letter of {arena.size:,} octets"
    report(
        title, ["sender", "ours is", "letters/s", "CPU ms a letter", "peak MiB"], rows, where, markdown=options.markdown
    )
    print(f"\nOurs as a whole process, from start to exit: {medians[ours]['whole letters/s']:,.0f} letters/s.")


class Arena:
    """One newsletter with many readers, and one letter of the same size for everybody."""

    def __init__(self, directory: Path, readers: int, connections: int, peer_letters: int, sink: str) -> None:
        self.directory, self.readers, self.connections = directory, readers, connections
        self.peer_letters, self.sink = min(peer_letters, readers), sink
        self.database, self.letter, self.key = directory / "full.db", directory / "letter.json", directory / "key.pem"
        fill_apart(self.database, readers, directory / "letter.eml")
        message = (directory / "letter.eml").read_bytes()
        self.size = len(message)
        self.letter.write_text(json.dumps(as_template(message)), encoding="utf-8")

    def plain(self, source: str) -> dict[str, Contestant]:
        found: dict[str, Contestant] = {
            "ours, ledger on": self.ours,
            "smtp-source -d": lambda: self.smtp_source(source),
            "nodemailer, pool": self.node,
            "smtplib": lambda: self.python("smtplib"),
            "aiosmtplib": lambda: self.python("aiosmtplib"),
        }
        return self._present(found)

    def signed(self) -> dict[str, Contestant]:
        measure(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(self.key)])
        found: dict[str, Contestant] = {
            "ours, ledger on, DKIM": lambda: self.ours(
                NEWSLETTER_DKIM_SELECTOR="s1", NEWSLETTER_DKIM_KEY_FILE=str(self.key)
            ),
            "nodemailer, pool, DKIM": lambda: self.node(str(self.key)),
            "smtplib, dkimpy": lambda: self.python("smtplib", str(self.key)),
        }
        return self._present(found)

    def _present(self, found: dict[str, Contestant]) -> dict[str, Contestant]:
        """Without the peers that are not here, each with the reason."""
        lacks: dict[str, Callable[[], str]] = {
            "nodemailer": self._install_nodemailer,
            "aiosmtplib": lambda: lack_of("aiosmtplib"),
        }
        for peer, look in lacks.items():
            names = [name for name in found if name.startswith(peer)]
            reason = look() if names else ""
            for name in names if reason else ():
                say(f"left out: {name}: {reason}")
                del found[name]
        return found

    def _install_nodemailer(self) -> str:
        npm = shutil.which("npm")
        if not (npm and shutil.which("node")):
            return "apt-get install npm"
        done = subprocess.run([npm, "install", "--silent", "--prefix", str(self.directory), "nodemailer"], check=False)
        return "npm install failed" if done.returncode else ""

    # -- the contestants -----------------------------------------------------------------------------

    def ours(self, **settings: str) -> dict[str, float]:
        """The command as it is; sending is from the first claim to the last outcome, as the ledger has them."""
        database = self.directory / "run.db"
        shutil.copy(self.database, database)
        with smtp_sink(self.sink) as port:
            env = environ(database, port, connections=self.connections, PYTHONPATH=str(CHECKOUT), **settings)
            run = measure([sys.executable, "-m", "newsletter", "issues", "send", "--now"], env)
        connection = sqlite3.connect(database)
        query = "SELECT min(first_attempt_at), max(last_at), sum(state = 'sent') FROM delivery"
        first, last, sent = connection.execute(query).fetchone()
        connection.close()
        for left in self.directory.glob("run.db*"):
            left.unlink()
        if sent != self.readers:
            sys.exit(f"only {sent} of {self.readers} were sent:\n{run.output}")
        figures = self._figures(self.readers, (last - first) / 1000, run.cpu, run.peak)
        return figures | {"whole letters/s": self.readers / run.wall}

    def smtp_source(self, source: str) -> dict[str, float]:
        with smtp_sink(self.sink) as port:
            run = measure(
                [source, "-d", "-s", str(self.connections), "-m", str(self.readers), "-l", str(self.size),
                 "-f", "tips@tips.example", "-t", "reader@domain.example", f"inet:127.0.0.1:{port}"],
                postfix_environ(source),
            )  # fmt: skip
        return self._figures(self.readers, run.wall, run.cpu, run.peak)

    def python(self, kind: str, *key: str) -> dict[str, float]:
        return self._peer(sys.executable, str(PEERS), kind, key=key)

    def node(self, *key: str) -> dict[str, float]:
        return self._peer("node", str(NODE), str(self.directory), key=key)

    def _peer(self, *command: str, key: tuple[str, ...]) -> dict[str, float]:
        with smtp_sink(self.sink) as port:
            run = measure([*command, str(port), str(self.peer_letters), str(self.letter), *key])
        return self._figures(self.peer_letters, float(run.output.split()[-1]), run.cpu, run.peak)

    @staticmethod
    def _figures(letters: int, seconds: float, cpu: float, peak: float) -> dict[str, float]:
        return {"letters/s": letters / seconds, "CPU ms": cpu / letters * 1000, "peak MiB": peak}


def as_template(message: bytes) -> dict[str, str]:
    """Our letter for the peers to compose: its texts, with marks for the address and the links."""
    mail = message_from_bytes(message, policy=default)
    parts = {"subject": str(mail["Subject"])}
    for name, kind in (("text", "plain"), ("html", "html")):
        part = mail.get_body((kind,))
        content = str(part.get_content()) if part else ""
        marked = content.replace("owner@tips.example", "@@ADDRESS@@")
        parts[name] = re.sub(r"https://tips\.example/[up]/[\w.~-]+", "@@LINK@@", marked)
    return parts


def lack_of(module: str) -> str:
    from importlib.util import find_spec

    return "" if find_spec(module) else f"pip install {module}"


if __name__ == "__main__":
    main()
