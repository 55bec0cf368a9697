"""The peers in Python, each a process of its own: `python peers.py KIND PORT LETTERS LETTER.json [KEY.pem]`; prints seconds.

All compose a letter per recipient with `EmailMessage` and keep ten connections open, as their manuals advise.
"""

from __future__ import annotations

import asyncio
import json
import smtplib
import sys
import threading
import time
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid
from pathlib import Path

CONNECTIONS = 10
FROM = "tips@tips.example"


def compose(letter: dict[str, str], number: int) -> EmailMessage:
    address, link = f"reader{number}@domain{number % 997}.example", f"https://tips.example/u/token{number:020d}"
    message = EmailMessage(policy=SMTP.clone(max_line_length=998))
    message["From"] = f"Tip of the Week <{FROM}>"
    message["To"] = address
    message["Subject"] = letter["subject"]
    message["Date"] = "Tue, 04 Mar 2025 13:00:00 +0000"
    message["Message-ID"] = make_msgid(domain="tips.example")
    message["List-Unsubscribe"] = f"<{link}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    text, html = (letter[part].replace("@@ADDRESS@@", address).replace("@@LINK@@", link) for part in ("text", "html"))
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message


def with_smtplib(port: int, letters: int, letter: dict[str, str], key: bytes) -> None:
    def work(first: int) -> None:
        with smtplib.SMTP("127.0.0.1", port) as smtp:
            for number in range(first, letters, CONNECTIONS):
                data = compose(letter, number).as_bytes()
                smtp.sendmail(FROM, [f"reader{number}@domain{number % 997}.example"], signed(data, key))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def signed(data: bytes, key: bytes) -> bytes:
    if not key:
        return data
    import dkim

    field: bytes = dkim.sign(data, b"s1", b"tips.example", key, canonicalize=(b"relaxed", b"relaxed"))
    return field + data


def with_aiosmtplib(port: int, letters: int, letter: dict[str, str], _key: bytes) -> None:
    import aiosmtplib

    async def work(first: int) -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as smtp:
            for number in range(first, letters, CONNECTIONS):
                await smtp.send_message(compose(letter, number), sender=FROM)

    async def run() -> None:
        await asyncio.gather(*(work(n) for n in range(CONNECTIONS)))

    asyncio.run(run())


if __name__ == "__main__":
    kind, port, letters, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    key = Path(sys.argv[5]).read_bytes() if len(sys.argv) > 5 else b""
    content = json.loads(path.read_text(encoding="utf-8"))
    began = time.perf_counter()
    {"smtplib": with_smtplib, "aiosmtplib": with_aiosmtplib}[kind](port, letters, content, key)
    print(time.perf_counter() - began)
