"""Tests of finding links in a tip, and of the findings about their answers."""

from __future__ import annotations

import pytest

from newsletter.domain.tips.links import Link, LinkAnswer, LinkProblem, finding_for, links_of
from newsletter.domain.tips.lint import Level
from newsletter.domain.tips.tip import TipText

LINK = Link("body", 3, "https://a.example/x")


def test_links_are_found_in_every_syntax_with_their_lines() -> None:
    body = (
        "See [a page](https://a.example/one) and [another](<https://a.example/two>).\n"
        "Bare: https://a.example/three, or <https://a.example/four>!\n"
        '<a href="https://a.example/five">x</a> ![](http://a.example/six.png "Six")\n'
        "[seven]: https://a.example/Ada_(language)\n"
        "mailto:anna@a.example and ftp://a.example are no pages."
    )
    found = [(link.line, link.url.removeprefix("https://a.example/")) for link in links_of(TipText("T", body))]

    assert found == [
        (1, "one"), (1, "two"), (2, "three"), (2, "four"), (3, "five"), (3, "http://a.example/six.png"),
        (4, "Ada_(language)"),
    ]  # fmt: skip


def test_links_in_the_takeaway_are_found_too() -> None:
    assert [link.part for link in links_of(TipText("T", "", takeaway="See https://a.example."))] == ["takeaway"]


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (LinkAnswer(404), Level.ERROR, "gone (404)"),
        (LinkAnswer(410), Level.ERROR, "gone (410)"),
        (LinkAnswer(403), Level.NOTE, "the site does not answer programs"),
        (LinkAnswer(503), Level.WARNING, "answers with an error (503)"),
        (LinkAnswer(trouble=LinkProblem.PRIVATE), Level.ERROR, "private network"),
        (LinkAnswer(trouble=LinkProblem.TIMEOUT), Level.WARNING, "did not answer in time"),
        (LinkAnswer(200, moved_to="https://a.example/new"), Level.NOTE, "moved permanently"),
    ],
)
def test_a_bad_answer_becomes_a_finding_at_the_place_of_the_link(answer: LinkAnswer, level: Level, words: str) -> None:
    found = finding_for(LINK, answer)

    assert found
    assert (found.part, found.line, found.excerpt, found.rule, found.level) == ("body", 3, LINK.url, "link", level)
    assert words in found.reason
    assert found.suggestion


def test_a_working_link_is_no_finding() -> None:
    assert finding_for(LINK, LinkAnswer(200)) is None
