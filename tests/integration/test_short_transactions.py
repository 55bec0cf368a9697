"""Nothing slow happens in a write transaction: while it lasts, nobody else can sign up, unsubscribe, or be sent to.

Each transaction of a tour through the program is watched: which of our modules run in it, and whether a long text makes it
longer.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from newsletter.actions.tips.import_tips import AT_ONCE, import_tips
from newsletter.domain.archive.entries import plain, sentences, teaser
from newsletter.domain.tips.tip import TipText
from newsletter.store.transactions import SqlStore, SqlTx
from tests.support.web import WebHarness, open_web_harness

SLOW_MODULES = (
    "/newsletter/rendering/",
    "/newsletter/importers/",
    "/newsletter/senders/",
    "/newsletter/http/",
    "/newsletter/domain/tips/lint",
    "/newsletter/domain/tips/similarity",
    "/newsletter/domain/csv_records",
    "/newsletter/mail/compiled",
    "/newsletter/mail/message",
    "/newsletter/actions/tips/match_tips",
    "/markdown_it/",
    "/jinja2/",
    "/premailer/",
    "/PIL/",
    "/nh3/",
    "/email_validator/",
)
SLOW_FUNCTIONS = {plain.__code__, sentences.__code__, teaser.__code__}
LONG = "A sentence with *some* words. " * 3_000  # 90 KB


class WatchedStore(SqlStore):
    """A store that notes what its write transactions call. longest: the most calls in one of them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.slow: Counter[str] = Counter()
        self.longest = 0

    @contextmanager
    def write(self, *, no_wait: bool = False, after_others: bool = False) -> Iterator[SqlTx]:
        calls = 0

        def note(frame: FrameType, event: str, _arg: object) -> None:
            nonlocal calls
            if event == "call":
                calls += 1
                code = frame.f_code
                if code in SLOW_FUNCTIONS or any(part in code.co_filename for part in SLOW_MODULES):
                    self.slow[f"{code.co_filename.rpartition('/newsletter/')[2]}: {code.co_name}"] += 1

        with super().write(no_wait=no_wait, after_others=after_others) as tx:
            before = sys.getprofile()
            sys.setprofile(note)
            try:
                yield tx
            finally:
                sys.setprofile(before)
                self.longest = max(self.longest, calls)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path, owner="owner@tips.example") as found:
        store = WatchedStore(found.app.store.path)  # type: ignore[attr-defined]
        found.app.__dict__["store"] = store
        yield found
        store.close()


def watched(harness: WebHarness) -> WatchedStore:
    store: Any = harness.app.store
    assert isinstance(store, WatchedStore)
    return store


def write_tips(directory: Path, number: int, body: str) -> Path:
    directory.mkdir()
    for at in range(number):
        text = f"---\ntitle: Tip number {at} of {directory.name}\ntags: [a, b]\n---\n{body} It is {at}.\n"
        (directory / f"tip-{at}.md").write_text(text)
    return directory


def test_a_tour_does_nothing_slow_in_a_transaction(harness: WebHarness, tmp_path: Path) -> None:
    app, clock = harness.app, harness.clock
    app.tips.import_files([write_tips(tmp_path / "first", 3 * AT_ONCE, LONG[:3_000])])
    app.tips.edit("tip-number-1-of-first", f"---\ntitle: Another title\nkey: another\n---\n{LONG[:3_000]}\n")
    app.tips.rerun("another", "never")
    app.signup.subscribe("anna@host.example", "Anna", form="page/1", origin="203.0.113.1")
    app.transactional.send()
    harness.http.post(harness.confirm_path("anna@host.example"))
    app.subscribers.add("bob@host.example", confirmed_source="paper")
    app.preferences.send_link("anna@host.example", origin="203.0.113.1")
    clock.forward(days=3, hours=12)
    app.owner.notify()
    app.transactional.send()
    clock.forward(hours=12)
    app.issues.send()
    app.maintenance.run()
    app.owner.notify()
    app.transactional.send()
    clock.forward(hours=30)
    app.owner.notify()
    harness.http.post(harness.unsubscribe_path("anna@host.example"))
    app.transactional.send()
    assert watched(harness).longest > 0
    assert dict(watched(harness).slow) == {}


@pytest.mark.parametrize("action", ["import", "edit", "rerun"])
def test_a_long_text_makes_no_transaction_longer(harness: WebHarness, tmp_path: Path, action: str) -> None:
    calls = []
    for name, body in (("short", LONG[:90]), ("long", LONG)):
        watched(harness).longest = 0
        directory = write_tips(tmp_path / name, 1, body)
        if action != "import":
            harness.app.tips.import_files([directory])
            watched(harness).longest = 0
        match action:
            case "import":
                harness.app.tips.import_files([directory])
            case "edit":
                harness.app.tips.edit(f"tip-number-0-of-{name}", f"---\ntitle: An edited {name} one\n---\n{body}!\n")
            case _:
                harness.app.tips.rerun(f"tip-number-0-of-{name}", "never")
        calls.append(watched(harness).longest)
    assert calls[1] <= 1.2 * calls[0]


def test_a_large_import_is_written_in_short_transactions(harness: WebHarness, tmp_path: Path) -> None:
    harness.app.tips.import_files([write_tips(tmp_path / "few", AT_ONCE, LONG[:90])])
    few = watched(harness).longest
    harness.app.tips.import_files([write_tips(tmp_path / "many", 10 * AT_ONCE, LONG[:90])])
    assert watched(harness).longest <= 1.2 * few


def test_a_library_that_changes_during_an_import_loses_nothing(harness: WebHarness, tmp_path: Path) -> None:
    def retire(done: int, _total: int) -> None:
        if done == 2 * AT_ONCE:
            harness.app.tips.retire(min(card.key for card in harness.app.tips.cards()))

    texts = [TipText(f"Title {at}", f"The body number {at} of many.") for at in range(5 * AT_ONCE)]
    now = harness.clock() + timedelta(days=1)
    report = import_tips(harness.app.store, texts, queue=False, dry_run=False, now=now, progress=retire)
    assert (report.added, report.updated, len(report.tips)) == (len(texts), 0, len(texts))
    assert len({card.title for card in harness.app.tips.cards()}) == len(texts)
    again = import_tips(harness.app.store, texts, queue=False, dry_run=False, now=now)
    assert (again.added, again.updated) == (0, 0)
