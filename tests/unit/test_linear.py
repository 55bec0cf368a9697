"""Readers of strangers' texts take time in proportion to the text, whatever is in it.

Counted are the steps of the regular expression engine only indirectly: a text of these lengths takes hours if a pattern
is quadratic or worse, so the test fails by its time limit, and passes in a moment otherwise.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from newsletter.domain.archive.entries import plain, sentences, teaser
from newsletter.domain.read_dates import Dates
from newsletter.domain.subscribers.csv_addresses import read_addresses
from newsletter.domain.subscribers.state_words import opt_outs
from newsletter.domain.tips.tip import TipText
from newsletter.importers import read
from newsletter.importers.lines import before_read_more

LENGTH = 400_000
LIMIT = 20.0  # seconds; the slowest of these takes about one
PIECES = [" ", "\t", "\xa0", ".", "!", "…", "Mr. ", "A. ", "-", "*", "- ", "> ", "<!--", "<b>", "no ", "off "]
ITEM = "<item><title>T</title><description>{}</description></item>"


@contextmanager
def time_limit() -> Iterator[None]:
    def too_slow(_number: int, _frame: object) -> None:
        raise AssertionError("this takes more time than the length of the text allows")

    before = signal.signal(signal.SIGALRM, too_slow)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


READERS: dict[str, Callable[[str], object]] = {
    "plain": lambda text: plain(text + "x"),
    "sentences": sentences,
    "teaser": lambda text: teaser(TipText("T", text)),
    "before_read_more": lambda text: before_read_more(text + "x"),
    "read_addresses": read_addresses,
    "opt_outs": lambda text: opt_outs([text] * 100),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_a_long_row_of_anything_is_read_in_linear_time(name: str) -> None:
    with time_limit():
        for piece in PIECES:
            READERS[name](piece * (LENGTH // len(piece)))


@pytest.mark.slow
@pytest.mark.parametrize("piece", [" ", "\t", "&#160;", "<!--", "&lt;!--"])
def test_a_feed_with_a_long_row_of_anything_is_read_in_linear_time(tmp_path: Path, piece: str) -> None:
    feed = tmp_path / "feed.xml"
    body = ITEM.format(f"a{piece * (LENGTH // len(piece))}b")
    feed.write_text(f'<?xml version="1.0"?><rss version="2.0"><channel>{body}</channel></rss>')
    with time_limit():
        assert len(list(read([feed], "auto", Dates()))) <= 2
