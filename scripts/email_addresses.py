"""Writes docs/reference/email-addresses.md: what becomes of each case of the public is_email suites; judges none itself."""
# ruff: noqa: INP001 - a script, not a package

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path

from newsletter.domain.subscribers.address import AddressProblem, BadAddress, parse_address

CASES = Path(__file__).resolve().parents[1] / "tests/fixtures/is_email"
KINDS = {
    "valid": "valid",
    "dns": "valid, but its domain had no mail server then",
    "rfc5321": "valid, but rare (RFC 5321)",
    "cfws": "valid inside a letter alone: comments and blanks",
    "deprecated": "valid once, obsolete now",
    "rfc5322": "valid by the grammar of RFC 5322, but not for SMTP",
    "err": "no address",
}
WORDS = """# Which addresses we take

An address is taken when mail can go there: `name@domain`, the name of ASCII atoms or of letters of any script
(SMTPUTF8, RFC 6531), the domain one of the public internet, in letters of any script too (IDNA 2008, RFC 5891).
Nothing asks DNS: whether somebody is there is what the confirmation mail finds out.

- A **domain** beyond ASCII is shown in its own letters and mailed to as A-labels (`xn--…`); every next hop takes that.
- A **name** beyond ASCII needs a next hop that offers SMTPUTF8. Where it does not, the letter to this one reader is
  refused before it is sent, with the reason `553 5.6.7` in `newsletter subscribers show`; nobody else waits.
- White space around an address goes. Capitals in the name are kept for the envelope; two spellings are one reader.

## Where we are of another mind

- **Quotation marks, backslashes, address literals, comments and blanks** are allowed by some RFC and refused here: no
  provider gives such an address to anybody, and each of them has been a way to smuggle something into a header.
- **A domain without a dot** (`test@io`) is refused: mail to a top-level domain reaches nobody (RFC 7085).
- **Control characters and line ends around an address** are their error and our white space: the address within is
  what we keep. Inside an address they are refused.
- **`xn--` labels that are no IDNA 2008 names** are refused.

## How many
"""


def email_addresses_page() -> str:
    """The whole page, in Markdown."""
    cases = [
        (address, diagnosis, verdict(address)) for address, diagnosis in json.loads((CASES / "cases.json").read_text())
    ]
    lines = [WORDS, *_counts(cases), "", "## Why, by the numbers of both suites", "", *_numbered(), ""]
    lines += [
        "## Case by case",
        "",
        "The cases as the package isemail 1.2.0 carries them; their notice stands beside `tests/fixtures/is_email`.",
        "",
        "| address | their word | ours |",
        "|---|---|---|",
        *(f"| {shown(address)} | {diagnosis} | {words(found)} |" for address, diagnosis, found in cases),
    ]
    return "\n".join(lines) + "\n"


def verdict(address: str) -> str:
    """`accepted`, or the name of the flaw."""
    try:
        parse_address(address)
    except BadAddress as error:
        return error.problem.name
    return "accepted"


def words(found: str) -> str:
    """A verdict for people."""
    return "**taken**" if found == "accepted" else f"refused: {AddressProblem[found]}"


def shown(address: str) -> str:
    """An address in a cell of a table, with what cannot be seen written out."""
    text = json.dumps(address)[1:-1].replace('\\"', '"').replace("|", "\\|")
    fence = "``" if "`" in text else "`"
    return f"{fence} {text} {fence}" if text else "(empty)"


def _counts(cases: list[tuple[str, str, str]]) -> list[str]:
    taken: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for _, diagnosis, found in cases:
        (taken if found == "accepted" else refused)[_kind(diagnosis)] += 1
    head = ["| their word | taken | refused |", "|---|---:|---:|"]
    return head + [f"| {text} | {taken[kind]} | {refused[kind]} |" for kind, text in KINDS.items()]


def _kind(diagnosis: str) -> str:
    return next(kind for kind in KINDS if diagnosis.startswith(kind))


def _numbered() -> list[str]:
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    with (CASES / "numbered.csv").open(encoding="ascii", newline="") as lines:
        for suite, number, name in csv.reader(lines):
            found[name][suite].append(number)
    rows = [
        f"| {words(name)} | {' '.join(found[name]['tests'])} | {' '.join(found[name]['tests-original'])} |"
        for name in ("accepted", *(problem.name for problem in AddressProblem))
    ]
    return ["| ours | of the 164 in tests.xml | of the 279 in tests-original.xml |", "|---|---|---|", *rows]
