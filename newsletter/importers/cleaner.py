"""Clean the tips of every source in the same way: dates in titles, footers, teasers, and the closing call to action."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from newsletter.domain.archive.entries import plain
from newsletter.domain.tips.tip import Rejected, TipText
from newsletter.importers.closing import closing
from newsletter.importers.limits import MAX_FIELD, problem
from newsletter.importers.lines import FOOTER, FOOTER_TAIL, Kind, categories_of, classify
from newsletter.importers.titles import read_title

_FENCE = re.compile(r" {0,3}(?P<mark>`{3,}|~{3,})")
_APPEARED = re.compile(
    r"(?:(?:the|this) (?:post|article|entry|tip)\b.{0,300}?|(?:originally|first) )(?:appeared first|first appeared|originally appeared"
    r"|was (?:first|originally) published|appeared|published) (?:on|in|at) .{1,200}"
    r"|der (?:beitrag|artikel)\b.{0,300}? erschien zuerst auf .{1,200}"
    r"|l['’]article\b.{0,300}? (?:est apparu en premier|est apparu) sur .{1,200}"
    r"|la entrada\b.{0,300}? (?:aparece primero en|se publicó primero en) .{1,200}"
    r"|l['’]articolo\b.{0,300}? (?:proviene da|sembra essere il primo su) .{1,200}"
    r"|het bericht\b.{0,300}? verscheen eerst op .{1,200}",
    re.IGNORECASE,
)
_DOTS = r"(?:…|\.{3,}|\. \. \.)"
# Not from within a run of spaces: a long run would be tried again from each of them.
_BROKEN_OFF = re.compile(rf"(?<!\s)\s*+(?:\[{_DOTS}\]|\({_DOTS}\)|\[&hellip;\])\s*\Z")
_ELLIPSIS = re.compile(rf"(?<!\s)\s*+{_DOTS}\s*\Z")
_MORE = re.compile(
    rf"(?:\A|(?<=\s)|(?<=[.…\]]))(?:{_DOTS}\s*|\[{_DOTS}\]\s*)?[\[(]?\s*(?:"
    r"(?:Read|READ|read) (?:(?:M|m)ore|MORE)(?:\s*(?:…|\.{3}|»|›|→|>+))*"
    r"|Read (?:the (?:rest|full|whole|entire) .{1,60}|on)(?:\s*(?:…|\.{3}|»|›|→|>+))*"
    r"|(?:Continue|Keep) [Rr]eading(?:\s.{0,80})?|\(?more(?:…|\.{3})\)?|Weiterlesen(?:\s.{0,80})?|Lire la suite(?:\s.{0,80})?"
    r")\s*[\])]?\s*\Z"
)
_PROSE = re.compile(r"read more\Z|Read on\Z")  # words that can also end a sentence
_RELATED_LENGTH = 200


def clean(tip: TipText | Rejected, *, line: int = 0, file: str = "", is_summary: bool = False) -> TipText | Rejected:
    """The tip as its author meant it. line, file: where it is in the source, if the source of the tip is a URL.

    is_summary: the body may be only the beginning of the article, so that an ellipsis at its end means that it breaks off.
    """
    if isinstance(tip, Rejected):
        return tip
    file, line = file or tip.source, line or tip.line
    try:
        title, day = read_title(tip.title)
    except ValueError as error:
        return Rejected(file, line, str(error))
    tip = replace(tip, title=title, published_on=day or tip.published_on, teaser=_without_more(tip.teaser), file=file)
    if tip.complete:
        tip = _clean_body(tip, is_summary=is_summary)
    reason = problem(tip.title, tip.body)
    if not reason and not (tip.body or tip.teaser):
        reason = f"there is no text below the title {tip.title!r}"
    return Rejected(file, line, reason) if reason else tip


def with_takeaway(tip: TipText) -> TipText:
    """The tip with its closing call to action as its takeaway, unless it has one."""
    if tip.takeaway or not tip.complete:
        return tip
    blocks = _blocks(tip.body)
    found = closing(blocks)
    if not found:
        return tip
    while len(blocks) > 1 and blocks[-2] == "---":  # the rule that set it apart
        del blocks[-2]
    return replace(tip, takeaway=found, body="\n\n".join(blocks[:-1]))


def _clean_body(tip: TipText, *, is_summary: bool) -> TipText:
    categories, days = list(tip.categories), list[date]()
    blocks = list(_content(_blocks(tip.body), categories, days))
    tip = replace(tip, published_on=tip.published_on or next(iter(days), None))
    words = plain(blocks[-1]) if blocks else ""
    shortened = _without_more(words)
    if is_summary:
        shortened = _ELLIPSIS.sub("", shortened)
    body = "\n\n".join(blocks)
    if shortened == words:
        return with_takeaway(replace(tip, body=body, categories=tuple(categories)))
    words = " ".join(part for block in [*blocks[:-1], shortened] if (part := plain(block)))
    teaser = tip.teaser or words[:MAX_FIELD]
    return replace(tip, body="", complete=False, teaser=teaser, categories=tuple(categories))


def _without_more(words: str) -> str:
    """The text without "[…]" or "Read more" at its end."""
    more = _MORE.search(words[-300:])
    if more and not (_PROSE.fullmatch(more[0].strip()) and more.start()):
        words = words[: len(words) - len(more[0])].rstrip()
        return _ELLIPSIS.sub("", _BROKEN_OFF.sub("", words))
    return _BROKEN_OFF.sub("", words)


def _content(blocks: Sequence[str], categories: list[str], days: list[date]) -> Iterator[str]:
    """The blocks without navigation, footers, and captions.

    categories: those of a "Posted on" line are added. days: those of captions are added; a caption without one is text.
    """
    for i, block in enumerate(blocks):
        if _FENCE.match(block) or block.startswith(("- ", "> ", "#", "    ")):
            yield block
            continue
        kept: list[str] = []
        for line in block.split("\\\n"):
            words = plain(line)
            kind, content, day = _classified(words)
            days += [day] if day else []
            if kind is Kind.RELATED and _only_links(blocks[i + 1 :]):
                if kept:
                    yield "\\\n".join(kept)
                return
            if kind is Kind.POSTED and not categories:
                categories += categories_of(words)
            if kind in (Kind.TEXT, Kind.TRUNCATED) and not _APPEARED.fullmatch(words):
                kept.append(_kept(line, words, content))
        if any(kept):
            yield "\\\n".join(part for part in kept if part)


def _classified(words: str) -> tuple[Kind, str, date | None]:
    """What a line is, the part of it to keep, and the date in its caption."""
    kind, content, caption = classify(words)
    if kind is Kind.FOOTER and not FOOTER.match(words):  # a row of page numbers, which only saved pages have
        return Kind.TEXT, words, None
    if caption and not caption.day:
        return Kind.TEXT, words, None
    return kind, content, caption.day if caption else None


def _kept(line: str, words: str, content: str) -> str:
    """The Markdown of the part of a line that is content. words, content: the whole line and that part as plain text."""
    if content == words:
        return line
    if line == words:
        return content
    tail = FOOTER_TAIL.search(words)
    if tail and words.endswith(tail[0]):
        first = re.match(r"\W*(\w+(?: \w+)?)", tail[0])
        at = line.lower().rfind(first[1].lower()) if first else -1
        # A footer has each link once, so the last place of its first words is where it begins.
        return line[:at].rstrip(" *_[|\\") if at >= 0 else line
    return line.replace(words[: len(words) - len(content)].strip(), "", 1).strip() if words.endswith(content) else line


def _only_links(blocks: Sequence[str]) -> bool:
    return all(block.startswith("- ") or len(plain(block)) <= _RELATED_LENGTH for block in blocks)


def _blocks(body: str) -> list[str]:
    """The Markdown blocks; an empty line in a fenced code block or in an item of a list does not end a block."""
    found: list[str] = []
    fence = ""
    for part in re.split(r"\n(?:[ \t]*\n)+", body.strip("\n")):
        if found and (fence or (part.startswith((" ", "\t")) and found[-1].lstrip().startswith(("-", "*", "1")))):
            found[-1] += f"\n\n{part}"
        elif part.strip():
            found.append(part)
        for line in part.split("\n"):
            mark = _FENCE.match(line)
            if mark and not fence:
                fence = mark["mark"]
            elif mark and mark["mark"].startswith(fence):
                fence = ""
    return found
