"""Retired words and habits of speech, and where people read our sentences: pages, emails, docs, help, settings, errors."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from jinja2 import Environment, nodes

from newsletter.cli import root
from newsletter.settings import TABLE as SETTINGS

CHECKOUT = Path(__file__).resolve().parents[2]
HIDDEN = re.compile(r"<style.*?</style>|<!--.*?-->|&\w+;|<!?/?[a-z][^>]*>", re.DOTALL | re.IGNORECASE)
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"“(*A-Z])")
TELLING = {
    "ActionTexts",
    "Answer",
    "HTTPException",
    "alert_values",
    "_error",
    "_hint",
    "_ok",
    "_warning",
    "tell_owner",
}
"""Calls, besides those of exceptions, whose strings somebody reads."""
FREE_WHO = (
    r"(?:^|[;:(]\s*|\b(?:and|by|for|from|if|of|or|that|to|unless|when|where|with) )"
    r"who (?:asked|came|comes|did|does|gets?|had|has|have|is|leaves?|left|reads?|ticked|wants?|was)\b[^?]*$"
)
ANTECEDENT = r"\b(?:anyone|everyone|one|people|person|some(?:body|one)|subscribers?|those|visitors?) who\b.*"


@dataclass(frozen=True, slots=True)
class Retired:
    """What is not written any more, what is written instead, and where the word is right all the same."""

    pattern: str
    instead: str
    allowed: str = ""

    def found_in(self, sentence: str) -> str:
        """The words found, or ""."""
        text = re.sub(self.allowed, " ", sentence, flags=re.IGNORECASE) if self.allowed else sentence
        found = re.search(self.pattern, text, re.IGNORECASE)
        return found[0].strip() if found else ""


RETIRED = (
    Retired(
        r"\ba mail\b|\bmails\b",
        "an email, emails",
        r"\ba mail (?:client|exchanger|host|program|provider|relay|server)\b",
    ),
    Retired(r"\be-mails?\b", "email"),
    Retired(
        r"\bletters?\b",
        "email, issue",
        r"\b(?:capital|lowercase|uppercase) letters?\b|\bletters?,? (?:and|or) (?:digits|numbers)\b|\bletters, digits\b",
    ),
    Retired(
        r"\breaders?\b", "subscriber", r"\b(?:card|CommonMark|CSV|feed|HTML|Markdown|news|RSS|screen|XML) readers?\b"
    ),
    Retired(r"\bfarewells?\b", "unsubscribe email"),
    Retired(
        r"\bat once\b",
        "immediately",
        r"\b(?:all|both|many|several|two|[\d,]*\d)(?: \w+){0,3} at once\b|\bopen at once\b",
    ),
    Retired(r"\balso (?:if|when|where)\b", "even if"),
    Retired(r"\bjust now\b", "right now"),
    Retired(r"\banew\b", "again"),
    Retired(r"\bfor ever\b", "forever, for good"),
    Retired(r"\bany more\b(?=\s*(?:[.,;:!?)]|$))", "anymore, no longer"),
    Retired(r"\bblanks?\b", "space", r"\bblank (?:lines?|pages?)\b"),
    Retired(r"\bmend(?:ed|ing|s)?\b", "fix"),
    Retired(r"\bdoubles\b|\b(?:a|each|no|the) double\b(?! (?:click|opt-in|quot))", "duplicate"),
    Retired(
        r"\b(?:behaviour|catalogue|centre|colour|favour|honour|licence|neighbour|programme)\w*", "American spelling"
    ),
    Retired(r"\bfaults?\b", "error, bug", r"\bsegmentation faults?\b"),
    Retired(r"\bwatchdogs?\b", "heartbeat, dead man's switch", r"\bsystemd(?:'s|’s)? watchdog\b"),
    Retired(r"\bhead lines?\b", "header row"),
    Retired(r"\bunsay\b", "take back, undo"),
    Retired(r"\bstands? in\b|\bstand-ins?\b", "is in; substitute"),
    Retired(FREE_WHO, "anyone who, subscribers who", ANTECEDENT),
    Retired(r"\bway (?:out|back)\b", "mail server; resubscribe link"),
    Retired(r"\bbehind the (?:address|URL)\b", "after, append to"),
    Retired(r"\bsay (?:--|`)", "pass --option, run `command`"),
    Retired(r"\b(?:go|goes|went|gone) by (?:itself|themselves)\b", "is sent automatically"),
    Retired(r"\bknock(?:ed|ing|s)?\b|\b(?:front )?doors?\b", "sign-up limits"),
    Retired(r"\balarm clocks?\b", "scheduler, timer"),
    Retired(r"\bpaces?\b", "frequency, rate limit"),
    Retired(r"\bholes?\b", "placeholder"),
    Retired(r"\blanes?\b", "sign-up limit"),
    Retired(r"\b(?:a|an earlier|his|the|their|your) wish(?:es)?\b", "override"),
    Retired(r"\bthrow(?:-| )?away\b", "disposable"),
    Retired(r"\btick(?:ed|s)? (?:a|that|the|this) box\b", "check the box"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence and where it is."""

    where: str
    sentence: str


def complaints(lines: Iterable[Line]) -> list[str]:
    """What is wrong, one line each."""
    return [
        f"{line.where}: “{words}” (write: {one.instead}) in: {line.sentence}"
        for line in lines
        for one in RETIRED
        if (words := one.found_in(line.sentence))
    ]


# -- the sources -----------------------------------------------------------------------------------


def template_lines() -> Iterator[Line]:
    """All English of templates: what they hand to `_`, and text that stands there as it is."""
    for path in sorted([*CHECKOUT.glob("templates/**/*.html"), *CHECKOUT.glob("templates/**/*.txt")]):
        tree = Environment(autoescape=True).parse(path.read_text(encoding="utf-8"))
        texts = [node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)]
        texts += HIDDEN.sub("\n", "\0".join(node.data for node in tree.find_all(nodes.TemplateData))).split("\n")
        yield from _lines(_name(path), (text for text in texts if " " in text.strip() or text[:1].isupper()))


def document_lines(path: Path) -> Iterator[Line]:
    """The prose of a Markdown file, without code."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)\s]*\)", "]", text)
    text = re.sub(r"\bsay `", "say ``", text, flags=re.IGNORECASE)
    text = re.sub(r"`[^`\n]+`", "`…`", text)
    blocks = re.split(r"\n\s*\n|\n(?=[-*#|]|\d+\. )", text)
    yield from _lines(_name(path), (" ".join(block.split()) for block in blocks))


def catalog_lines() -> Iterator[Line]:
    """The English of the German catalog: it also has what the program puts together for its owner."""
    found = tomllib.loads((CHECKOUT / "templates" / "texts" / "de.toml").read_text(encoding="utf-8"))
    yield from _lines("templates/texts/de.toml", (*found.pop("made"), *found))


def help_lines() -> Iterator[Line]:
    """The help of every command and option."""
    ctx = root.make_context("newsletter", ["--json"])
    ctx.terminal_width = ctx.max_content_width = 10_000  # no sentence is broken over lines
    yield from _lines("newsletter --help", root.get_help(ctx).splitlines())
    for noun in root.list_commands(ctx):
        command = root.get_command(ctx, noun)
        if command is not None:
            yield from _command_lines(f"newsletter {noun}", command)


def _command_lines(name: str, command: click.Command) -> Iterator[Line]:
    options = (getattr(param, "help", None) or "" for param in command.params)
    yield from _lines(
        f"{name} --help", (" ".join((text or "").split()) for text in (command.help, command.epilog, *options))
    )
    verbs: Mapping[str, click.Command] = getattr(command, "commands", {})
    for verb, inner in verbs.items():
        yield from _command_lines(f"{name} {verb}", inner)


def setting_lines() -> Iterator[Line]:
    """What each setting means."""
    for row in SETTINGS:
        yield from _lines(row.name, [row.meaning, row.group])


def message_lines() -> Iterator[Line]:
    """Errors with their fixes, checks of the doctor, and answers of pages."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(CHECKOUT.glob("newsletter/**/*.py"))}
    telling = TELLING | _exceptions(trees.values())
    for path, tree in trees.items():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            arguments = call.args if name in telling else []
            named = [key.value for key in call.keywords if key.arg == "fix" or name in telling]
            texts = [text for node in (*arguments, *named) for text in _strings(node) if " " in text.strip()]
            yield from _lines(f"{_name(path)}:{call.lineno}", texts)


def _exceptions(trees: Iterable[ast.Module]) -> set[str]:
    """The names of all our exceptions, and of those of Python that we raise with words."""
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    known = {"Exception", "ValueError", "NewsletterError"}
    while (
        more := {node.name for node in classes if any(getattr(base, "id", "") in known for base in node.bases)} - known
    ):
        known |= more
    return known


def _strings(node: ast.expr) -> Iterator[str]:
    """The texts that an argument may be; values in an f-string are shown as …."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from (*_strings(node.body), *_strings(node.orelse))
    elif isinstance(node, ast.BinOp):
        yield from (*_strings(node.left), *_strings(node.right))
    elif isinstance(node, ast.BoolOp):
        yield from (text for value in node.values for text in _strings(value))


def _lines(where: str, texts: Iterable[str]) -> Iterator[Line]:
    for text in texts:
        yield from (Line(where, part.strip()) for part in SENTENCE_END.split(text) if part.strip())


def _name(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))
