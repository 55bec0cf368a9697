"""Check one finished message for what email programs and spam filters object to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from urllib.parse import urlsplit

import lxml.html
from lxml.html import HtmlElement

from newsletter.domain.english import plural
from newsletter.domain.tips.lint_patterns import LEFT_OVER, SHORTENED
from newsletter.domain.tips.tip import MAX_SUBJECT
from newsletter.rendering.contrast import low_contrast_text

MAX_HTML = 90_000  # octets; Gmail clips at 102 KB
MAX_LINE = 998  # octets, RFC 5322 section 2.1.1
WIDTH = 78
ONE_CLICK = "List-Unsubscribe=One-Click"  # RFC 8058 section 3.1
HEADERS = ("From", "To", "Subject", "Date", "Message-ID", "List-ID", "List-Unsubscribe", "List-Unsubscribe-Post")
FORBIDDEN = ("script", "form", "iframe", "object", "embed", "link", "video", "audio", "input", "base")
_OF_TEMPLATES = re.compile(r"\{\{|\}\}|\{%|recipient\.invalid")
_IN_SUBJECT = re.compile(r"\[(?:f?name|(?:first|last|your) ?name)\]", re.IGNORECASE)
_SAYS_NOTHING = re.compile(
    r"(?:(?:click|tap)(?: here| this| the link)?|here|this(?: link| page)?|link|(?:read|learn) more|more|hier)[.…!:>»→ ]*",
    re.IGNORECASE,
)
_ATTACHED = re.compile(
    r"\b(?:see|find|open|please find) (?:the |our )?attached\b|\b(?:is|are) attached\b(?! to)", re.IGNORECASE
)
_URL = re.compile(r"(?:https?://|mailto:)[^\s<>\"”’)]+")


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. level: ok, warning, or error."""

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
    """Run every check on a message as it is sent; one finding per check that passes, else one per problem."""
    message = message_from_bytes(raw, policy=default)
    text, html = (part_of(message, kind) for kind in ("plain", "html"))
    email = _Email(raw, message, text, html, lxml.html.document_fromstring(html or "<p></p>"))
    findings = []
    for name, check, well in (
        ("size", _size, f"{len(html.encode()):,} bytes of HTML"),
        ("subject", _subject, f"{len(str(message['Subject'] or ''))} characters"),
        ("headers", _headers, "complete, with one-click unsubscribe"),
        ("text", _text, "the text part has the same links"),
        ("links", _links, "every link works as written"),
        ("pictures", _pictures, "every image has alt text"),
        ("contrast", _contrast, "4.5:1 or more, in light and dark mode"),
        ("markup", _markup, "nothing that email programs remove"),
        ("placeholders", _placeholders, "none left"),
        ("attachments", _attachments, "none, and none is mentioned"),
    ):
        problems = [Finding(name, level, words) for level, words in check(email)]
        findings += problems or [Finding(name, "ok", well)]
    return findings


def part_of(message: EmailMessage, kind: str) -> str:
    """The `html` or `plain` part of a message, with LF line ends; "" if there is none."""
    part = message.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part else ""


Problems = Iterator[tuple[str, str]]


def _size(email: _Email) -> Problems:
    size = len(email.html.encode())
    if size > MAX_HTML:
        yield "error", f"{size:,} bytes of HTML; Gmail clips an email at 102,000, so keep it under {MAX_HTML:,}"
    if any(len(line) > MAX_LINE for line in email.raw.split(b"\r\n")):
        yield "error", f"a line is longer than {MAX_LINE} bytes (RFC 5322 section 2.1.1)"


def _subject(email: _Email) -> Problems:
    subject = str(email.message["Subject"] or "").strip()
    if not subject:
        yield "error", "there is no subject"
    if len(subject) > MAX_SUBJECT:
        yield "warning", f"{len(subject)} characters; phones show {MAX_SUBJECT} at most"
    if len(subject) > 8 and subject.isupper():
        yield "warning", "all capitals, which is typical of spam"
    if re.search(r"[!?]{2}|[$€£]{2}", subject):
        yield "warning", "repeated punctuation, which is typical of spam"


def _headers(email: _Email) -> Problems:
    missing = [name for name in HEADERS if not email.message[name]]
    if missing:
        yield "error", f"missing: {', '.join(missing)}"
    if email.message["List-Unsubscribe-Post"] not in (None, ONE_CLICK):
        yield "error", f"List-Unsubscribe-Post must be {ONE_CLICK} (RFC 8058 section 3.1)"
    block = email.raw.partition(b"\r\n\r\n")[0].decode("ascii", "replace")
    ways = re.search(r"^List-Unsubscribe:(.*(?:\r\n[ \t].*)*)", block, re.MULTILINE)
    if ways and ("=?" in ways[1] or "<http" not in ways[1]):
        yield "error", "List-Unsubscribe has no plain web address, so one-click unsubscribe does not work"


def _text(email: _Email) -> Problems:
    if not email.text.strip():
        yield "error", "there is no text part"
        return
    wide = [line for line in email.text.splitlines() if len(line) > WIDTH and "://" not in line]
    if wide:
        yield "warning", f"{plural(len(wide), 'line')} longer than {WIDTH} characters: {wide[0][:40]!r} …"
    in_text = {url.rstrip(".,;:!?") for url in _URL.findall(email.text)}
    in_html = {str(node.get("href")) for node in email.root.findall(".//a[@href]")}
    if only := sorted(url for url in in_html - in_text if not url.startswith("mailto:")):
        yield "warning", f"only the HTML part has {_named(only, 'this link: {}', '{count} links: {}')}"


def _links(email: _Email) -> Problems:
    here: list[str] = []
    plain_http: list[str] = []
    for node in email.root.findall(".//a"):
        url, words = str(node.get("href") or ""), " ".join(node.text_content().split())
        place = words or url or "a link"
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https", "mailto"):
            yield "error", f"“{place[:60]}” leads nowhere: {url[:80]!r}"
        elif parts.scheme != "mailto" and parts.hostname in (None, "localhost", "127.0.0.1", "::1"):
            here.append(f"“{place[:60]}”")
        elif parts.scheme == "http":
            plain_http.append(f"“{place[:60]}”")
        if _SAYS_NOTHING.fullmatch(words):
            yield "warning", f"the link “{words}” does not say where it leads: {url[:80]}"
        if SHORTENED.match(url):
            yield "warning", f"spam filters distrust shortened URLs: {url[:80]}"
        if not words and node.find(".//img") is None:
            yield "error", f"a link has no text: {url[:80]}"
    if here:
        named = _named(here, "{} leads to this machine", "{count} links lead to this machine: {}")
        yield "warning", f"{named}; set NEWSLETTER_BASE_URL"
    if plain_http:
        yield "warning", _named(plain_http, "{} is not https", "{count} links are not https: {}")


def _named(found: Sequence[str], one: str, several: str) -> str:
    """One sentence about everything that has the same problem. {}: the first three of them; {count}: how many."""
    if len(found) == 1:
        return one.format(found[0][:100])
    shown = ", ".join(each[:100] for each in found[:3])
    more = f", and {len(found) - 3} more" if len(found) > 3 else ""
    return several.format(shown + more, count=len(found))


def _pictures(email: _Email) -> Problems:
    for node in email.root.findall(".//img"):
        source = str(node.get("src") or "")
        if node.get("alt") is None:
            yield "error", f"an image has no alt text: {source[:80]}"
        if not source.startswith(("https://", "http://")):
            yield "error", f"an image has no absolute URL: {source[:80]!r}"
        if node.get("width") in ("0", "1") or node.get("height") in ("0", "1"):
            yield "error", f"a one-pixel image, which is typical of trackers: {source[:80]}"


def _contrast(email: _Email) -> Problems:
    for dark in (False, True):
        for words, ink, paper, ratio in low_contrast_text(email.html, dark=dark)[:3]:
            mode = "dark" if dark else "light"
            yield "error", f"“{words[:40]}” is {ratio:.1f}:1 in {mode} mode ({ink} on {paper}); 4.5:1 is needed"


def _markup(email: _Email) -> Problems:
    for tag in FORBIDDEN:
        if email.root.find(f".//{tag}") is not None:
            yield "error", f"<{tag}> does not work in email"
    if "@import" in email.html:
        yield "error", "@import does not work in email"
    if re.search(r"display:\s*none", email.html):
        yield "warning", "hidden text, which is typical of spam"
    if len(email.root.findall(".//h1")) != 1:
        yield "warning", "there should be one h1"
    if not (email.root.findtext(".//title") or "").strip() or not email.root.get("lang"):
        yield "warning", "the HTML has no title or no language, which screen readers need"


def _placeholders(email: _Email) -> Problems:
    subject = str(email.message["Subject"] or "")
    parts = ((LEFT_OVER, subject), (LEFT_OVER, email.text), (_OF_TEMPLATES, email.html), (_IN_SUBJECT, subject))
    for found in sorted({found[0] for pattern, part in parts for found in pattern.finditer(part)}):
        yield "error", f"{found!r} was left in the email"


def _attachments(email: _Email) -> Problems:
    if found := _ATTACHED.search(email.text):
        yield "warning", f"“{found[0]}”, but nothing is attached"
