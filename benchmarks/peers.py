"""The competitors in Python: `python peers.py KIND PORT EMAILS EMAIL.json [KEY.pem]` sends and prints the seconds it took.

Each composes an email per recipient with `EmailMessage` and keeps ten connections open, as its manual advises.
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


def compose(template: dict[str, str], number: int) -> EmailMessage:
    address, link = f"user{number}@domain{number % 997}.example", f"https://tips.example/u/token{number:020d}"
    message = EmailMessage(policy=SMTP.clone(max_line_length=998))
    message["From"] = f"Tip of the Week <{FROM}>"
    message["To"] = address
    message["Subject"] = template["subject"]
    message["Date"] = "Tue, 04 Mar 2025 13:00:00 +0000"
    message["Message-ID"] = make_msgid(domain="tips.example")
    message["List-Unsubscribe"] = f"<{link}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    text, html = (template[part].replace("@@ADDRESS@@", address).replace("@@LINK@@", link) for part in ("text", "html"))
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message


def with_smtplib(port: int, emails: int, template: dict[str, str], key: bytes) -> None:
    def work(first: int) -> None:
        with smtplib.SMTP("127.0.0.1", port) as smtp:
            for number in range(first, emails, CONNECTIONS):
                data = compose(template, number).as_bytes()
                smtp.sendmail(FROM, [f"user{number}@domain{number % 997}.example"], signed(data, key))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def signed(data: bytes, key: bytes) -> bytes:
    if not key:
        return data
    import dkim  # noqa: PLC0415 - needed for signed emails only

    field: bytes = dkim.sign(data, b"s1", b"tips.example", key, canonicalize=(b"relaxed", b"relaxed"))
    return field + data


def with_aiosmtplib(port: int, emails: int, template: dict[str, str], _key: bytes) -> None:
    import aiosmtplib  # noqa: PLC0415 - an optional competitor

    async def work(first: int) -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as smtp:
            for number in range(first, emails, CONNECTIONS):
                await smtp.send_message(compose(template, number), sender=FROM)

    async def run() -> None:
        await asyncio.gather(*(work(n) for n in range(CONNECTIONS)))

    asyncio.run(run())


if __name__ == "__main__":
    kind, port, emails, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    key = Path(sys.argv[5]).read_bytes() if len(sys.argv) > 5 else b""
    content = json.loads(path.read_text(encoding="utf-8"))
    began = time.perf_counter()
    {"smtplib": with_smtplib, "aiosmtplib": with_aiosmtplib}[kind](port, emails, content, key)
    print(time.perf_counter() - began)
