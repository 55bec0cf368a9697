"""Parse a Markdown file with YAML front matter, the format of the starter tips; each file is one tip."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from unicodedata import category

import yaml
from frontmatter.default_handlers import YAMLHandler

from newsletter.domain.errors import InputError
from newsletter.domain.tips.history import problem as history_problem
from newsletter.domain.tips.rerun_rule import parse_months, parse_rerun
from newsletter.domain.tips.season_rule import parse_rule
from newsletter.domain.tips.tip import LeftOut, Piece, Rejected, Remark, TipHistory, TipRules, TipText
from newsletter.domain.written_dates import YEARS
from newsletter.importers.history_keys import HISTORY, InvalidKey, read_history
from newsletter.importers.html.to_markdown import to_markdown
from newsletter.importers.limits import MAX_FIELD, MAX_LABEL, MAX_LABELS, problem
from newsletter.importers.typed import typed_markdown

RULES = ("season", "series", "part", "rerun", "months", "fallback")
TEXT = ("title", "date", "categories", "tags", "takeaway", "preview", "teaser")
KEYS = (*TEXT, *RULES, "complete", "key", "starter", "list", *HISTORY)
_FOREIGN = re.compile(
    r"layout|authors?|slug|permalink|url|aliases|draft|published|status|visibility|lastmod|modified|updated(?:at)?|createdat"
    r"|(?:feature|featured)?images?|cover|thumbnail|description|excerpt|customexcerpt|subtitle|comments|type|weight|toc"
    r"|keywords|lang(?:uage)?|u?u?id|guid"
)
"""Keys of Jekyll, Hugo, Ghost and the like that say nothing about a tip, without hyphens and underscores."""
_IS_PUBLIC = frozenset(("publish", "published", "public", "live", "true", "yes", "done"))
# Controls, halves of surrogate pairs, and ends of lines. Format characters join emoji, and new ones are not known yet.
_NOT_IN_A_LINE = frozenset(("Cc", "Cs", "Zl", "Zp"))
MAX_FRONT = 20_000  # characters
MAX_PART = 99
_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
# A text that was pasted from Word, Google Docs, or a web page; one tag inside a Markdown text is left as it is.
_PASTED = re.compile(r"\s*<(?:!doctype|html|body|meta|div|p|ul|ol|h[1-6]|table|span|b|strong)\b[^<>]*>", re.IGNORECASE)
_DAY_AND_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]\d{1,2}:\d{2}[\d:. Z+-]*")  # Jekyll: 2019-05-06 10:00:00 +0200
_FENCE = re.compile(r"\s*-{3,}[ \t]*(?:\r?\n|\Z)")


class _InvalidFrontMatter(Exception):
    """The first problem in a file, with its line and the fix; `parse` turns it into a Rejected."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def has_front_matter(text: str) -> bool:
    """Does the text begin with a line of three or more hyphens?"""
    return bool(_FENCE.match(text))


class _NotPublished(Exception):
    """The front matter says that this is a draft, or private. title: of the post."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.title = title


def parse(text: str, source: str) -> list[TipText | Rejected]:
    """One element: the tip, or the first problem with its line and the fix. Keys of other programs are a problem."""
    try:
        return [_read(text, source)[0]]
    except _InvalidFrontMatter as error:
        return [Rejected(source, error.line, str(error))]


def parse_file(text: str, source: str) -> list[Piece]:
    """As `parse`, for a file that may come from Jekyll, Hugo, or Ghost: drafts are left out, and foreign keys named."""
    try:
        tip, foreign = _read(text, source, strict=False)
    except _InvalidFrontMatter as error:
        return [Rejected(source, error.line, str(error))]
    except _NotPublished as error:
        return [LeftOut(source, 1, error.title, "a draft")]
    return [*([Remark(source, 1, f"keys that were not used: {', '.join(foreign)}")] if foreign else []), tip]


def _read(text: str, source: str, *, strict: bool = True) -> tuple[TipText, list[str]]:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    front, body, line = _split(text)
    values = _load(front, line)
    foreign = [] if strict else [str(key) for key in values if key not in KEYS and _FOREIGN.fullmatch(_plain(key))]
    if foreign and not _is_published({_plain(key): value for key, value in values.items()}):
        raise _NotPublished(str(values.get("title", source)))
    known = {key: value for key, value in values.items() if str(key) not in foreign}
    return _FrontMatter(known, front, line).tip(body, source), foreign


def _plain(key: object) -> str:
    return str(key).lower().replace("-", "").replace("_", "")


def _is_published(values: Mapping[str, object]) -> bool:
    """By the keys `draft` (Hugo), `published` (Jekyll), `status` and `visibility` (Ghost, Pelican)."""
    said = [
        str(values[key]).strip().lower() for key in ("published", "status", "visibility") if values.get(key) is not None
    ]
    is_draft = str(values.get("draft", "")).strip().lower() in {"true", "yes"}
    return not is_draft and all(word in _IS_PUBLIC or word[:2].isdigit() for word in said)


def _split(text: str) -> tuple[str, str, int]:
    """The front matter, the body, and the line on which the front matter begins."""
    if not has_front_matter(text):
        raise _InvalidFrontMatter(
            1, "there is no front matter; begin with a line ---, then the keys, then another line ---"
        )
    # Lines are counted in the file, so empty lines before and after the first --- count too.
    lead = len(text) - len(text.lstrip())
    try:
        front, body = YAMLHandler().split(text[lead:])
    except ValueError:
        raise _InvalidFrontMatter(1, "the front matter does not end; end it with a line ---") from None
    if len(front) > MAX_FRONT:
        raise _InvalidFrontMatter(1, f"the front matter has {len(front)} characters; shorten it to {MAX_FRONT}")
    keys = front.lstrip("\n")
    return keys, body.strip(), 1 + text.count("\n", 0, text.index(front, lead) + len(front) - len(keys))


def _load(front: str, line: int) -> Mapping[str, object]:
    """The keys and values. YAML raises its own exceptions, and some of Python's for values such as February 30."""
    try:
        values = YAMLHandler().load(
            front, Loader=yaml.SafeLoader
        )  # nested brackets overflow the C stack of CSafeLoader
    except yaml.MarkedYAMLError as error:
        at = line + (error.problem_mark.line if error.problem_mark else 0)
        raise _InvalidFrontMatter(
            at, f"the front matter is not valid YAML: {error.problem}; put the value in quotes"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise _InvalidFrontMatter(
            line, f"the front matter cannot be read: {reason}; fix the value or put it in quotes"
        ) from None
    if not isinstance(values, dict):
        raise _InvalidFrontMatter(line, 'the front matter has no keys; write lines such as "title: …"')
    return values


class _FrontMatter:
    """The front matter of one file. Each key is checked when it is read; raises _InvalidFrontMatter with its line."""

    def __init__(self, values: Mapping[str, object], front: str, line: int) -> None:
        self._values = values
        self._front_matter = front
        self._line = line

    def tip(self, body: str, source: str) -> TipText:
        """The tip with this body. source: the name of the file."""
        for key in self._values:
            if key not in KEYS:
                raise self._error(key, f"the key {str(key)[:60]!r} is unknown; the keys are {', '.join(KEYS)}")
        title = self._text("title")
        if not title:
            raise self._error("title", "the title is missing; add a line title: …")
        pictures: dict[str, bytes] = {}
        body = to_markdown(body, pictures=pictures) if _PASTED.match(body) else typed_markdown(body)
        complete = self._values.get("complete") is None or self._yes("complete")
        if complete and not body:
            raise self._error("", "there is no text below the front matter; write the tip there")
        if reason := problem(title, body):
            raise self._error("title", reason)
        return TipText(
            title=title,
            body=body,
            key=self._key(),
            complete=complete,
            published_on=self._day("date"),
            categories=self._labels("categories"),
            tags=self._labels("tags"),
            takeaway=self._text("takeaway"),
            teaser=self._text("teaser"),
            preview=self._text("preview"),
            rules=self._rules(),
            starter=self._yes("starter"),
            source=source,
            line=self._at("title"),
            inline_pictures=tuple(pictures.items()),
            list_key=self._text("list").lower(),
            history=self._history(),
        )

    def _history(self) -> TipHistory:
        try:
            found = read_history(self._values)
        except InvalidKey as error:
            raise self._error(error.key, f"{error.key} {error}") from None
        key, reason = history_problem(found)
        if reason:
            raise self._error(key, reason)
        return found

    def _key(self) -> str:
        key = self._text("key")
        if key and not _KEY.fullmatch(key):
            raise self._error("key", "the key is not valid; use lowercase letters, digits, and hyphens")
        return key

    def _rules(self) -> TipRules:
        """When the tip may run. The words are kept as they are, and parsed now to report errors with their lines."""
        series, part = self._text("series"), self._part()
        if bool(series) != bool(part):
            missing = "part" if series else "series"
            raise self._error("series" if series else "part", f"a series needs both keys; add a line {missing}: …")
        if series and self._text("season"):
            raise self._error("season", "a part of a series cannot have a season; remove one of the two")
        return TipRules(
            season=self._read("season", parse_rule),
            series=series,
            part=part,
            rerun=self._read("rerun", parse_rerun),
            months=self._read("months", parse_months),
            fallback=self._yes("fallback"),
        )

    def _read(self, key: str, parse: Callable[[str], object]) -> str:
        if key == "months" and isinstance(self._values.get(key), list):
            words = ", ".join(self._labels(key))
        elif isinstance(day := self._values.get(key), date):  # YAML reads 2027-03-01 as a date
            words = day.isoformat()[:10]
        else:
            words = "never" if key == "rerun" and self._values.get(key) is False else self._text(key)
        try:
            if words:
                parse(words)
        except InputError as error:
            raise self._error(key, f"{key}: {error.message}; {error.fix}") from None
        return words

    def _part(self) -> int:
        value = self._values.get("part")
        if value is None:
            return 0
        if type(value) is not int or not 1 <= value <= MAX_PART:
            raise self._error("part", f"part is not a number from 1 to {MAX_PART}; write part: 1")
        return value

    def _yes(self, key: str) -> bool:
        value = self._values.get(key)
        if value is not None and not isinstance(value, bool):
            raise self._error(key, f"{key} must be true or false")
        return bool(value)

    def _text(self, key: str) -> str:
        value = self._values.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._error(key, f"{key} is not text; put it in quotes")
        text = value.strip()
        if any(category(char) in _NOT_IN_A_LINE for char in text):
            raise self._error(key, f"{key} must be one line without control characters")
        most = MAX_FRONT if key == "teaser" else MAX_FIELD  # archives have long ones, which are shortened
        if len(text) > most:
            raise self._error(key, f"{key} has {len(text)} characters; shorten it to {MAX_FIELD}")
        return text

    def _day(self, key: str) -> date | None:
        value = self._values.get(key)
        if isinstance(value, str):
            found = _DAY_AND_TIME.fullmatch(value.strip())
            try:
                value = date.fromisoformat(found[1] if found else value.strip())
            except ValueError:
                raise self._error(key, f"{key} is not a valid date; write it as 2014-08-12") from None
        if isinstance(value, datetime):
            value = value.date()
        if value is None:
            return None
        if isinstance(value, date) and value.year in YEARS:
            return value
        raise self._error(key, f"{key} is not a valid date; write it as 2014-08-12")

    def _labels(self, key: str) -> tuple[str, ...]:
        value = self._values.get(key)
        found = [] if value is None else value.split(",") if isinstance(value, str) else value
        if not isinstance(found, list) or not all(isinstance(label, str) for label in found):
            raise self._error(key, f"{key} must be a list of words; write [one, two] and put numbers in quotes")
        labels = tuple(dict.fromkeys(text for label in found if (text := " ".join(label.split()))))
        if any(category(char) in _NOT_IN_A_LINE for label in labels for char in label):
            raise self._error(key, f"{key} has a control character, or half of a character; write it again")
        if len(labels) > MAX_LABELS or any(len(label) > MAX_LABEL for label in labels):
            raise self._error(
                key, f"{key} has more than {MAX_LABELS} labels, or one with more than {MAX_LABEL} characters"
            )
        return labels

    def _error(self, key: object, reason: str) -> _InvalidFrontMatter:
        return _InvalidFrontMatter(self._at(key), reason)

    def _at(self, key: object) -> int:
        """The line of a key in the file, or of the front matter if the key is missing."""
        found = re.search(rf"^[\"']?{re.escape(str(key))}[\"']?\s*:", self._front_matter, re.MULTILINE) if key else None
        return self._line + self._front_matter.count("\n", 0, found.start()) if found else self._line
