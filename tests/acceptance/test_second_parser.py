"""What arrives at a server, read by two parsers that share no code: each must find the same letter in it."""

from __future__ import annotations

import json
import re
import subprocess
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from tests.support.dkim_keys import RSA
from tests.support.faulty_smtp import FaultySmtp
from tests.support.library import add_subscriber, add_tip
from tests.support.needs import require_program, require_referees
from tests.support.publishing import open_app_harness

TITLE = "Grüße, „Zitate“ = 100 % & <mehr> — 🎉 a title that is long enough to be folded in any header there is"
BODY = """.A line that begins with a dot, and = signs = everywhere.

.

From the start of a line, `code with "quotes"`, 日本語, and a word of %s letters.

- ein „Punkt“
- [a link](https://example.org/?a=1&b=2#c)
""" % ("x" * 1200)
PEOPLE = {
    "plain@a.example": "",
    "o'hara+tips@a.example": 'O\'Hara, "Bob" <bob@b.example>',
    "long@a.example": "A very long name " * 8,
    "greek@a.example": "Αλέξανδρος =?utf-8?q?no?=",
    "dots@a.example": "...",
    "jürgen@bücher.example": "Jürgen",
}


@pytest.mark.parametrize("signed", [False, True])
def test_two_parsers_read_the_same_letter(tmp_path: Path, *, signed: bool) -> None:
    settings = {"dkim_selector": "s1", "dkim_key": RSA} if signed else {}
    with (
        FaultySmtp() as server,
        open_app_harness(tmp_path, None, sender_url=server.url("connections=2"), **settings) as room,
    ):
        add_tip(room.files, TITLE, body=BODY, key="odd")
        for address, name in PEOPLE.items():
            add_subscriber(room.files, address, name=name)
        assert room.issues.publish_due()
        assert room.round().sent == len(PEOPLE)
    raw = [letter.message for letter in server.emails]

    for message, ours, theirs in zip(raw, map(by_python, raw), by_node(raw, tmp_path), strict=True):
        assert ours == theirs
        assert max(map(len, message.split(b"\r\n"))) <= 998
        assert b"\n" not in message.replace(b"\r\n", b"")
        [unsubscribe] = re.findall(rb"^List-Unsubscribe:.*(?:\n[ \t].*)*", message, re.MULTILINE)
        assert b"=?" not in unsubscribe
        assert unsubscribe.count(b"<https://") == unsubscribe.count(b"<mailto:") == 1


def by_python(raw: bytes) -> dict[str, object]:
    mail = message_from_bytes(raw, policy=default)
    assert isinstance(mail, EmailMessage)
    sender = mail["From"].addresses[0]
    return {
        "subject": mail["Subject"],
        "from": [sender.display_name, sender.addr_spec],
        "to": [one.addr_spec.encode("utf-8", "surrogateescape").decode() for one in mail["To"].addresses],  # RFC 6532
        "id": mail["Message-ID"],
        "names": [name.lower() for name in mail],
        "leave": " ".join(str(mail["List-Unsubscribe"]).split()),
        "text": part(mail, "plain"),
        "html": part(mail, "html"),
    }


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found
    return str(found.get_content()).replace("\r\n", "\n").strip()  # the other one gives LF


def by_node(raw: list[bytes], directory: Path) -> list[dict[str, object]]:
    files = []
    for number, message in enumerate(raw):
        files.append(directory / f"{number}.eml")
        files[-1].write_bytes(message)
    command = [require_program("node"), str(require_referees() / "parse.mjs"), *map(str, files)]
    said = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout  # noqa: S603
    return [
        {
            "subject": mail["subject"],
            "from": [mail["from"]["name"], mail["from"]["address"]],
            "to": [one["address"] for one in mail["to"]],
            "id": mail["messageId"],
            "names": [header["key"] for header in mail["headers"]],
            "leave": next(
                " ".join(header["value"].split()) for header in mail["headers"] if header["key"] == "list-unsubscribe"
            ),
            "text": mail["text"].strip(),
            "html": mail["html"].strip(),
        }
        for mail in json.loads(said)
    ]
