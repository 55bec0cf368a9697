"""Write docs/reference/email-addresses.md: whether each address of the public is_email test suites is accepted."""
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
    "cfws": "valid only within a message: comments and folding white space",
    "deprecated": "obsolete",
    "rfc5322": "valid in RFC 5322, but not in SMTP",
    "err": "not an address",
}
INTRODUCTION = """# Which email addresses are accepted

An address is accepted if it can receive email from the internet: `name@domain`, where the name consists of ASCII atoms
or of characters of any script (SMTPUTF8, RFC 6531), and the domain is a public one, in any script as well (IDNA 2008,
RFC 5891). DNS is not queried: the confirmation email shows whether the mailbox exists.

- A **domain** with non-ASCII characters is displayed as it is, and emails are sent to its A-labels (`xn--…`), which every
  mail server accepts.
- A **name** with non-ASCII characters needs a mail server that supports SMTPUTF8. If yours does not, the email to this one
  subscriber is rejected before it is sent, with the reason `553 5.6.7` in `newsletter subscribers show`. Other emails
  are not delayed.
- White space around an address is removed, and invisible characters anywhere in it. The case of the name is kept for the
  envelope, but addresses that differ only in case are one subscriber.

## Where we differ from the RFCs

- **Quotation marks, backslashes, address literals, comments, and white space** are allowed in some RFC and rejected
  here. No provider offers such addresses, and each of these has been used to inject headers.
- **A domain without a dot** (`test@io`) is rejected: a top-level domain does not receive email (RFC 7085).
- **Control characters and line breaks around an address** are errors in the test suites and white space here: they are
  removed. Inside an address they are rejected.
- **`xn--` labels that are not IDNA 2008 names** are rejected.

## Counts
"""


def email_addresses_page() -> str:
    """The whole page, in Markdown."""
    cases = [
        (address, diagnosis, verdict(address)) for address, diagnosis in json.loads((CASES / "cases.json").read_text())
    ]
    lines = [INTRODUCTION, *_counts(cases), "", "## Reasons, with the numbers of the cases", "", *_numbered(), ""]
    lines += [
        "## Every case",
        "",
        "The cases are those of the package isemail 1.2.0. Their license notice is in `tests/fixtures/is_email`.",
        "",
        "| address | is_email | newsletter |",
        "|---|---|---|",
        *(f"| {shown(address)} | {diagnosis} | {words(found)} |" for address, diagnosis, found in cases),
    ]
    return "\n".join(lines) + "\n"


def verdict(address: str) -> str:
    """`accepted`, or the name of the problem."""
    try:
        parse_address(address)
    except BadAddress as error:
        return error.problem.name
    return "accepted"


def words(found: str) -> str:
    """A verdict in words."""
    return "**accepted**" if found == "accepted" else f"rejected: {AddressProblem[found]}"


def shown(address: str) -> str:
    """An address for a cell of a table, with invisible characters escaped."""
    text = json.dumps(address)[1:-1].replace('\\"', '"').replace("|", "\\|")
    fence = "``" if "`" in text else "`"
    return f"{fence} {text} {fence}" if text else "(empty)"


def _counts(cases: list[tuple[str, str, str]]) -> list[str]:
    accepted: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for _, diagnosis, found in cases:
        (accepted if found == "accepted" else rejected)[_kind(diagnosis)] += 1
    head = ["| is_email | accepted | rejected |", "|---|---:|---:|"]
    return head + [f"| {text} | {accepted[kind]} | {rejected[kind]} |" for kind, text in KINDS.items()]


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
    return ["| newsletter | of the 164 in tests.xml | of the 279 in tests-original.xml |", "|---|---|---|", *rows]
