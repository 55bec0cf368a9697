"""The documentation for people: every link leads somewhere, every path exists, and what people search for is found."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
        *(CHECKOUT / "docs").glob("*.md"),
        *(CHECKOUT / "docs/reference").glob("*.md"),
        CHECKOUT / "benchmarks/README.md",
    ]
)
GUIDES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
SEARCHED = (
    "A/B test",
    "backup",
    "bounce",
    "cron",
    "DKIM",
    "DMARC",
    "docker",
    "double opt-in",
    "draft",
    "evergreen",
    "GDPR",
    "import",
    "license",
    "MailChimp",
    "nginx",
    "open tracking",
    "PostgreSQL",
    "rate limit",
    "RSS",
    "segment",
    "SPF",
    "upgrade",
    "webhook",
    "Windows",
)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def name_of(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


@cache
def prose(path: Path) -> str:
    """A page without its code blocks."""
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading: no markup, no punctuation, hyphens for spaces."""
    words = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


@cache
def anchors(path: Path) -> frozenset[str]:
    """Every anchor of a page; a heading that comes again gets a number."""
    found: dict[str, int] = {}
    names = set()
    for heading in _HEADING.findall(prose(path)):
        name = slug(heading)
        count = found.get(name, 0)
        found[name] = count + 1
        names.add(f"{name}-{count}" if count else name)
    return frozenset(names)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    broken = []
    for link in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = unquote(link).partition("#")
        target = (page.parent / file).resolve() if file else page
        is_good = target.exists() and (not anchor or (target.suffix == ".md" and anchor in anchors(target)))
        if not is_good:
            broken.append(link)

    assert broken == []


@pytest.mark.slow
@pytest.mark.parametrize("word", SEARCHED)
def test_what_people_search_for_is_in_a_sentence(word: str) -> None:
    spelled = re.escape(word).replace(r"\ ", r"\s+")
    sentence = re.compile(rf"[^\n|]*\b{spelled}(?:s|ed|ing)?\b[^\n|]*", re.IGNORECASE)
    found = [match[0] for page in GUIDES for match in sentence.finditer(prose(page)) if "](#" not in match[0]]

    assert any(len(line.split()) >= 5 for line in found)


@pytest.mark.parametrize("page", GUIDES[1:], ids=name_of)
def test_every_page_is_linked_from_another_one(page: Path) -> None:
    linked = {
        (other.parent / link.partition("#")[0]).resolve()
        for other in PAGES
        if other != page
        for link in _LINK.findall(prose(other))
    }

    assert page in linked


def test_every_how_to_is_in_the_list_at_the_top() -> None:
    page = CHECKOUT / "docs/howto.md"
    listed = {link[1:] for link in _LINK.findall(prose(page)) if link.startswith("#")}

    assert anchors(page) - listed == {"how-to-guides"}


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Can I run an A/B test?", "can-i-run-an-ab-test"),
        ("9. Put it behind HTTPS", "9-put-it-behind-https"),
        ("`--json` output", "--json-output"),
        ("Erase a subscriber's data (GDPR)", "erase-a-subscribers-data-gdpr"),
        ("Set up SPF, DKIM, and DMARC", "set-up-spf-dkim-and-dmarc"),
    ],
)
def test_an_anchor_is_made_as_github_makes_it(heading: str, anchor: str) -> None:
    assert slug(heading) == anchor
