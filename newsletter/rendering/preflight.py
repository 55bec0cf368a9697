"""Looks at one finished letter as mail programs and their filters will: what is wrong, what is doubtful; changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from newsletter.domain.tips.tip import MAX_SUBJECT
from newsletter.rendering.contrast import low_contrast_text

if TYPE_CHECKING:
    from lxml.html import HtmlElement

MAX_HTML = 90_000  # octets; Gmail clips at 102 KB
MAX_LINE = 998  # octets, RFC 5322 section 2.1.1
WIDTH = 78
ONE_CLICK = "List-Unsubscribe=One-Click"  # RFC 8058 section 3.1
HEADERS = ("From", "To", "Subject", "Date", "Message-ID", "List-ID", "List-Unsubscribe", "List-Unsubscribe-Post")
FORBIDDEN = ("script", "form", "iframe", "object", "embed", "link", "video", "audio", "input", "base")
_LEFT_OVER = re.compile(r"\{\{|\}\}|\{%|recipient\.invalid|\blorem ipsum\b|\bTODO\b|\bXXX\b|\[(?:NAME|name)\]")
_URL = re.compile(r"(?:https?://|mailto:)[^\s<>\"”’)]+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. level: ok, warning, error."""

    id: str
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class _Email:
    raw: bytes
    message: EmailMessage
    text: str
    html: str
    root: HtmlElement


def preflight(raw: bytes) -> list[Finding]:
    """Every check, one finding each where all is well, else one for each fault."""
    import lxml.html

    message = message_from_bytes(raw, policy=default)
    text, html = (part_of(message, kind) for kind in ("plain", "html"))
    letter = _Email(raw, message, text, html, lxml.html.document_fromstring(html or "<p></p>"))
    findings = []
    for name, check, well in (
        ("size", _size, f"{len(html.encode()):,} octets of HTML"),
        ("subject", _subject, f"{len(str(message['Subject'] or ''))} characters"),
        ("headers", _headers, "complete, one-click unsubscribe is there"),
        ("text", _text, "the text part has the same links"),
        ("links", _links, "every link is whole"),
        ("pictures", _pictures, "every picture has words for it"),
        ("contrast", _contrast, "4.5:1 or more, by day and by night"),
        ("markup", _markup, "nothing that mail programs throw away"),
        ("placeholders", _placeholders, "none left"),
    ):
        problems = [Finding(name, level, words) for level, words in check(letter)]
        findings += problems or [Finding(name, "ok", well)]
    return findings


def part_of(message: EmailMessage, kind: str) -> str:
    """The `html` or `plain` part of a letter, its lines ended by LF; "" where there is none."""
    part = message.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part else ""


Problems = Iterator[tuple[str, str]]


def _size(letter: _Email) -> Problems:
    size = len(letter.html.encode())
    if size > MAX_HTML:
        yield "error", f"{size:,} octets of HTML; Gmail clips a letter at 102,000, so keep it under {MAX_HTML:,}"
    if any(len(line) > MAX_LINE for line in letter.raw.split(b"\r\n")):
        yield "error", f"a line is longer than {MAX_LINE} octets (RFC 5322 section 2.1.1)"


def _subject(letter: _Email) -> Problems:
    subject = str(letter.message["Subject"] or "").strip()
    if not subject:
        yield "error", "there is no subject"
    if len(subject) > MAX_SUBJECT:
        yield "warning", f"{len(subject)} characters; phones show {MAX_SUBJECT} at most"
    if len(subject) > 8 and subject.isupper():
        yield "warning", "all in capitals, as spam has it"
    if re.search(r"[!?]{2}|[$€£]{2}", subject):
        yield "warning", "rows of signs, as spam has them"


def _headers(letter: _Email) -> Problems:
    missing = [name for name in HEADERS if not letter.message[name]]
    if missing:
        yield "error", f"missing: {', '.join(missing)}"
    if letter.message["List-Unsubscribe-Post"] not in (None, ONE_CLICK):
        yield "error", f"List-Unsubscribe-Post must be {ONE_CLICK} (RFC 8058 section 3.1)"
    block = letter.raw.partition(b"\r\n\r\n")[0].decode("ascii", "replace")
    ways = re.search(r"^List-Unsubscribe:(.*(?:\r\n[ \t].*)*)", block, re.MULTILINE)
    if ways and ("=?" in ways[1] or "<http" not in ways[1]):
        yield "error", "List-Unsubscribe has no plain web address, so one click does not work"


def _text(letter: _Email) -> Problems:
    if not letter.text.strip():
        yield "error", "there is no text part"
        return
    wide = [line for line in letter.text.splitlines() if len(line) > WIDTH and "://" not in line]
    if wide:
        yield "warning", f"{len(wide)} lines are wider than {WIDTH}: {wide[0][:40]!r} …"
    in_text = {url.rstrip(".,;:!?") for url in _URL.findall(letter.text)}
    in_html = {str(node.get("href")) for node in letter.root.findall(".//a[@href]")}
    for url in sorted(url for url in in_html - in_text if not url.startswith("mailto:")):
        yield "warning", f"only the HTML part has the link {url[:100]}"


def _links(letter: _Email) -> Problems:
    for node in letter.root.findall(".//a"):
        url, words = str(node.get("href") or ""), " ".join(node.text_content().split())
        place = words or url or "a link"
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https", "mailto"):
            yield "error", f"“{place[:60]}” leads nowhere: {url[:80]!r}"
        elif parts.scheme != "mailto" and parts.hostname in (None, "localhost", "127.0.0.1", "::1"):
            yield "warning", f"“{place[:60]}” leads to this machine; set NEWSLETTER_BASE_URL"
        elif parts.scheme == "http":
            yield "warning", f"“{place[:60]}” is not https"
        if not words and node.find(".//img") is None:
            yield "error", f"a link has no words: {url[:80]}"


def _pictures(letter: _Email) -> Problems:
    for node in letter.root.findall(".//img"):
        source = str(node.get("src") or "")
        if node.get("alt") is None:
            yield "error", f"a picture has no alt text: {source[:80]}"
        if not source.startswith(("https://", "http://")):
            yield "error", f"a picture has no whole address: {source[:80]!r}"
        if node.get("width") in ("0", "1") or node.get("height") in ("0", "1"):
            yield "error", f"a picture of one dot, as trackers have it: {source[:80]}"


def _contrast(letter: _Email) -> Problems:
    for dark in (False, True):
        for words, ink, paper, ratio in low_contrast_text(letter.html, dark=dark)[:3]:
            time = "night" if dark else "day"
            yield "error", f"“{words[:40]}” is {ratio:.1f}:1 by {time} ({ink} on {paper}); 4.5:1 is needed"


def _markup(letter: _Email) -> Problems:
    for tag in FORBIDDEN:
        if letter.root.find(f".//{tag}") is not None:
            yield "error", f"<{tag}> does not work in mail"
    if "@import" in letter.html:
        yield "error", "@import does not work in mail"
    if re.search(r"display:\s*none", letter.html):
        yield "warning", "hidden words, as spam has them"
    if len(letter.root.findall(".//h1")) != 1:
        yield "warning", "there should be one h1"
    if not (letter.root.findtext(".//title") or "").strip() or not letter.root.get("lang"):
        yield "warning", "the page has no title or no language, which screen readers ask for"


def _placeholders(letter: _Email) -> Problems:
    parts = (str(letter.message["Subject"] or ""), letter.text, letter.html)
    for found in sorted({found[0] for part in parts for found in _LEFT_OVER.finditer(part)}):
        yield "error", f"{found!r} was left in the letter"
