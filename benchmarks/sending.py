"""Send one issue to many subscribers into Debian's smtp-sink, compared with competing programs. A run takes minutes."""

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
from importlib.util import find_spec
from pathlib import Path

from common import (
    CHECKOUT,
    arguments,
    environ,
    fill_in_a_process,
    interleaved,
    log,
    machine,
    measure,
    postfix_environ,
    program,
    report,
    scratch,
    smtp_sink,
)

Contestant = Callable[[], Mapping[str, float]]
PEERS = CHECKOUT / "benchmarks" / "peers.py"
NODE = CHECKOUT / "benchmarks" / "nodemailer.mjs"


def main() -> None:
    parser = arguments(
        __doc__ or "", subscribers=60_000, connections=10, rounds=3, peer_emails=6000, sink="", source="", dkim=False
    )
    options = parser.parse_args()
    where = machine()
    with scratch() as directory:
        arena = Arena(
            directory, options.subscribers, options.connections, options.peer_emails, program("smtp-sink", options.sink)
        )
        contestants = arena.signed() if options.dkim else arena.plain(program("smtp-source", options.source))
        medians = interleaved(options.rounds, contestants)
    ours = next(name for name in medians if name.startswith("newsletter"))
    rows = [
        [
            name,
            f"{medians[ours]['emails/s'] / found['emails/s']:.2f} ×" if name != ours else "",
            f"{found['emails/s']:,.0f}",
            f"{found['CPU ms']:.3f}",
            f"{found['peak MiB']:.0f}",
        ]
        for name, found in medians.items()
    ]
    title = f"{options.subscribers:,} subscribers, {options.connections} connections, an email of {arena.size:,} bytes"
    report(
        title,
        ["sender", "newsletter is", "emails/s", "CPU ms per email", "peak MiB"],
        rows,
        where,
        markdown=options.markdown,
    )
    print(f"\nThe whole newsletter process, from start to exit: {medians[ours]['whole emails/s']:,.0f} emails/s.")


class Arena:
    """One newsletter with many subscribers, and an email of the same size for every contestant."""

    def __init__(self, directory: Path, subscribers: int, connections: int, peer_emails: int, sink: str) -> None:
        self.directory, self.subscribers, self.connections = directory, subscribers, connections
        self.peer_emails, self.sink = min(peer_emails, subscribers), sink
        self.database, self.template, self.key = directory / "full.db", directory / "email.json", directory / "key.pem"
        fill_in_a_process(self.database, subscribers, directory / "email.eml")
        message = (directory / "email.eml").read_bytes()
        self.size = len(message)
        self.template.write_text(json.dumps(as_template(message)), encoding="utf-8")

    def plain(self, source: str) -> dict[str, Contestant]:
        found: dict[str, Contestant] = {
            "newsletter": self.newsletter,
            "smtp-source -d": lambda: self.smtp_source(source),
            "nodemailer, pool": self.node,
            "smtplib": lambda: self.python("smtplib"),
            "aiosmtplib": lambda: self.python("aiosmtplib"),
        }
        return self._present(found)

    def signed(self) -> dict[str, Contestant]:
        measure(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(self.key)])
        found: dict[str, Contestant] = {
            "newsletter, DKIM": lambda: self.newsletter(
                NEWSLETTER_DKIM_SELECTOR="s1", NEWSLETTER_DKIM_KEY_FILE=str(self.key)
            ),
            "nodemailer, pool, DKIM": lambda: self.node(str(self.key)),
            "smtplib, dkimpy": lambda: self.python("smtplib", str(self.key)),
        }
        return self._present(found)

    def _present(self, found: dict[str, Contestant]) -> dict[str, Contestant]:
        """The contestants without those that are not installed; the reasons are logged."""
        checks: dict[str, Callable[[], str]] = {
            "nodemailer": self._install_nodemailer,
            "aiosmtplib": lambda: missing("aiosmtplib"),
        }
        for peer, check in checks.items():
            names = [name for name in found if name.startswith(peer)]
            reason = check() if names else ""
            for name in names if reason else ():
                log(f"left out: {name}: {reason}")
                del found[name]
        return found

    def _install_nodemailer(self) -> str:
        npm = shutil.which("npm")
        if not (npm and shutil.which("node")):
            return "apt-get install npm"
        done = subprocess.run([npm, "install", "--silent", "--prefix", str(self.directory), "nodemailer"], check=False)
        return "npm install failed" if done.returncode else ""

    # -- the contestants -----------------------------------------------------------------------------

    def newsletter(self, **settings: str) -> dict[str, float]:
        """Run the real command. The time is from the first claim to the last outcome, as the database has them."""
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
        if sent != self.subscribers:
            sys.exit(f"only {sent} of {self.subscribers} were sent:\n{run.output}")
        figures = self._figures(self.subscribers, (last - first) / 1000, run.cpu, run.peak)
        return figures | {"whole emails/s": self.subscribers / run.wall}

    def smtp_source(self, source: str) -> dict[str, float]:
        with smtp_sink(self.sink) as port:
            run = measure(
                [source, "-d", "-s", str(self.connections), "-m", str(self.subscribers), "-l", str(self.size),
                 "-f", "tips@tips.example", "-t", "user@domain.example", f"inet:127.0.0.1:{port}"],
                postfix_environ(source),
            )  # fmt: skip
        return self._figures(self.subscribers, run.wall, run.cpu, run.peak)

    def python(self, kind: str, *key: str) -> dict[str, float]:
        return self._peer(sys.executable, str(PEERS), kind, key=key)

    def node(self, *key: str) -> dict[str, float]:
        return self._peer("node", str(NODE), str(self.directory), key=key)

    def _peer(self, *command: str, key: tuple[str, ...]) -> dict[str, float]:
        with smtp_sink(self.sink) as port:
            run = measure([*command, str(port), str(self.peer_emails), str(self.template), *key])
        return self._figures(self.peer_emails, float(run.output.split()[-1]), run.cpu, run.peak)

    @staticmethod
    def _figures(emails: int, seconds: float, cpu: float, peak: float) -> dict[str, float]:
        return {"emails/s": emails / seconds, "CPU ms": cpu / emails * 1000, "peak MiB": peak}


def as_template(message: bytes) -> dict[str, str]:
    """Our email for the others to compose: its parts, with placeholders for the address and the links."""
    email = message_from_bytes(message, policy=default)
    parts = {"subject": str(email["Subject"])}
    for name, kind in (("text", "plain"), ("html", "html")):
        part = email.get_body((kind,))
        content = str(part.get_content()) if part else ""
        with_placeholders = content.replace("owner@tips.example", "@@ADDRESS@@")
        parts[name] = re.sub(r"https://tips\.example/[up]/[\w.~-]+", "@@LINK@@", with_placeholders)
    return parts


def missing(module: str) -> str:
    """How to install a module; "" if it is installed."""
    return "" if find_spec(module) else f"pip install {module}"


if __name__ == "__main__":
    main()
