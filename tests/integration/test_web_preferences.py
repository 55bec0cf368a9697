"""The preferences page over real HTTP: name, pause, frequency, new address, data and erasure; and requesting its link."""

import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.domain.subscribers.imported import ImportRequest
from newsletter.domain.subscribers.subscription import Frequency, Status
from newsletter.store.sqlite.database import sqlite_path
from tests.support.web import WebHarness, links_in, open_web_harness, text_of

ANNA, NEW = "anna@host.example", "new@other.example"


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path, timezone="Europe/Berlin") as web_harness:
        web_harness.http.post("/subscribe", data={"email": ANNA, "name": "Anna"})
        web_harness.http.post(web_harness.confirm_path(ANNA))
        web_harness.app.transactional.send()
        yield web_harness


def change(web_harness: WebHarness, status: int = 200, address: str = ANNA, **fields: str) -> str:
    answer = web_harness.http.post(web_harness.preferences_path(address), data=fields)
    assert answer.status_code == status, answer.text
    return answer.text


def consents(web_harness: WebHarness, address: str = ANNA) -> list[tuple[str, str]]:
    with web_harness.app.store.read() as tx:
        return [(entry.what, entry.proof) for entry in tx.subscribers.consents(web_harness.subscriber(address).id)]


def mailable(web_harness: WebHarness) -> int:
    with web_harness.app.store.read() as tx:
        return tx.subscribers.mailable()


def test_a_new_name_is_cleaned_and_saved(web_harness: WebHarness) -> None:
    assert 'value="Zoë"' in change(web_harness, action="name", name=" Zoe\u0308 ")
    assert web_harness.subscriber(ANNA).name == "Zoë"
    change(web_harness, action="name", name="Buy at www.pills.example")
    assert web_harness.subscriber(ANNA).name == ""


@pytest.mark.parametrize("weeks", [4, 8, 12])
def test_a_pause_lasts_its_weeks_and_ends_automatically(web_harness: WebHarness, weeks: int) -> None:
    change(web_harness, action="pause", weeks=str(weeks))
    assert (web_harness.subscriber(ANNA).status, mailable(web_harness)) == (Status.PAUSED, 0)
    web_harness.clock.forward(weeks=weeks, seconds=-1)
    assert web_harness.app.maintenance.run()["woken"] == 0
    web_harness.clock.forward(seconds=1)
    assert web_harness.app.maintenance.run()["woken"] == 1
    assert (web_harness.subscriber(ANNA).status, web_harness.subscriber(ANNA).paused_until, mailable(web_harness)) == (
        Status.CONFIRMED,
        None,
        1,
    )
    assert [what for what, _ in consents(web_harness)][-2:] == ["pause", "resume"]


def test_a_pause_until_a_date_ends_at_midnight_in_the_newsletters_time_zone(web_harness: WebHarness) -> None:
    page = change(web_harness, action="pause", weeks="until", until="2025-06-10")
    assert "Paused until June 10, 2025" in page
    assert web_harness.subscriber(ANNA).paused_until == datetime(2025, 6, 9, 22, tzinfo=UTC)
    change(web_harness, action="resume")
    assert web_harness.subscriber(ANNA).status is Status.CONFIRMED


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "pause", "weeks": "5"},
        {"action": "pause", "weeks": "-4"},
        {"action": "pause", "weeks": "until", "until": "2025-05-02"},
        {"action": "pause", "weeks": "until", "until": "2027-05-02"},
        {"action": "pause", "weeks": "until", "until": "soon"},
        {"action": "pause", "weeks": "until", "until": "9999-12-31"},
        {"action": "pause", "weeks": "until", "until": "0001-01-01"},
        {"action": "pause"},
        {"action": "pace", "pace": "daily"},
        {"action": "address", "email": "nobody"},
        {"action": "erase"},
        {},
    ],
)
def test_an_invalid_change_is_shown_on_the_same_page_and_changes_nothing(
    web_harness: WebHarness, fields: dict[str, str]
) -> None:
    before = web_harness.rows()
    assert 'role="alert"' in change(web_harness, 422, **fields)
    assert web_harness.rows() == before


def test_monthly_means_an_email_every_four_weeks(web_harness: WebHarness) -> None:
    change(web_harness, action="pace", pace="monthly")
    assert (web_harness.subscriber(ANNA).pace, mailable(web_harness)) == (Frequency.MONTHLY, 1)
    assert consents(web_harness)[-1] == ("pace", "monthly, preferences")
    got = []
    for week in range(9):
        web_harness.app.maintenance.run()
        if mailable(web_harness):
            got.append(week)
            record_sent_email(web_harness)
        web_harness.clock.forward(weeks=1)
    assert got == [0, 4, 8]
    web_harness.app.maintenance.run()
    assert mailable(web_harness) == 0
    change(web_harness, action="pace", pace="weekly")
    assert mailable(web_harness) == 1


def record_sent_email(web_harness: WebHarness) -> None:
    """Store a delivery as if an issue was sent now."""
    now = web_harness.clock()
    with web_harness.app.store.write() as tx:
        issue = tx.issues.plan(now.date(), now, now)
    connection = sqlite3.connect(sqlite_path(web_harness.app.settings.database_url))
    with connection:
        connection.execute(
            "INSERT INTO delivery (issue_id, subscriber_id, state, attempts, crashes, last_at)"
            " VALUES (?, ?, 'sent', 1, 0, ?)",
            (issue.number, web_harness.subscriber(ANNA).id, int(now.timestamp() * 1000)),
        )
    connection.close()


def move_link(web_harness: WebHarness) -> str:
    web_harness.app.transactional.send()
    email = web_harness.emails()[-1]
    assert email["To"] == NEW
    assert "Anna" not in text_of(email)
    (url,) = {link for link in links_in(text_of(email)) if "/move/" in link}
    return url.removeprefix("https://tips.example")


def test_a_new_address_is_used_after_it_is_confirmed(web_harness: WebHarness) -> None:
    change(web_harness, action="address", email=NEW)
    path = move_link(web_harness)
    assert '<form method="post">' in web_harness.http.get(path).text
    assert web_harness.subscriber(ANNA).address == ANNA
    for _ in range(2):
        assert NEW in web_harness.http.post(path).text
    subscriber = web_harness.subscriber(NEW)
    assert (subscriber.address, subscriber.status, subscriber.name) == (NEW, Status.CONFIRMED, "Anna")
    assert [what for what, _ in consents(web_harness, NEW)] == ["signup", "confirm", "move"]


def test_moving_does_not_reveal_known_addresses_and_sends_one_email_a_day(
    web_harness: WebHarness,
) -> None:
    web_harness.app.subscribers.add("bob@host.example", confirmed_source="test")
    web_harness.app.subscribers.add("eve@host.example", confirmed_source="test")
    web_harness.app.suppressions.add("gone@host.example")
    pages = []
    for email in ("bob@host.example", "gone@host.example", NEW, "third@host.example"):
        page = change(web_harness, action="address", email=f" \u200b{email}\ufeff")
        assert f"<strong>{email}</strong>" in page
        pages.append(page.replace(email, NEW))
    other = change(web_harness, address="eve@host.example", action="address", email=NEW)
    assert len(set(pages)) == 1
    assert other.replace("eve@host.example", ANNA).replace('value=""', 'value="Anna"') == pages[0]
    before = len(web_harness.emails())
    web_harness.app.transactional.send()
    assert [email["To"] for email in web_harness.emails()[before:]] == [NEW]


def test_a_move_link_expires_after_a_month_and_when_they_unsubscribe(
    web_harness: WebHarness,
) -> None:
    change(web_harness, action="address", email=NEW)
    path = move_link(web_harness)
    web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    assert web_harness.http.post(path).status_code == 410
    assert web_harness.subscriber(ANNA).address == ANNA
    web_harness.clock.forward(days=31)
    assert web_harness.http.get(path).status_code == 410


def test_my_data_has_everything_and_reading_it_changes_nothing(web_harness: WebHarness) -> None:
    before = web_harness.rows()
    answer = web_harness.http.get(f"{web_harness.preferences_path(ANNA)}/data.json")
    assert web_harness.rows() == before
    found = answer.json()
    assert (found["address"], found["name"], found["status"]) == (ANNA, "Anna", "confirmed")
    assert [entry["what"] for entry in found["consent"]] == ["signup", "confirm"]
    assert "attachment" in answer.headers["content-disposition"]
    assert web_harness.http.post(web_harness.preferences_path(ANNA), data={"action": "data"}).json() == found


def test_erasing_leaves_only_a_hash_that_blocks_imports(web_harness: WebHarness, tmp_path: Path) -> None:
    path = web_harness.preferences_path(ANNA)
    change(web_harness, action="name", name="Rosamunde")
    assert "Your data has been deleted" in change(web_harness, action="erase", sure="yes")
    everything = repr(web_harness.rows()).lower()
    assert ANNA not in everything
    assert "rosamunde" not in everything
    assert web_harness.http.get(path).status_code == 400
    (tmp_path / "old.csv").write_text(f"email\n{ANNA}\n")
    report = web_harness.app.subscribers.import_file(tmp_path / "old.csv", ImportRequest(confirmed_source="old list"))
    assert (report.added, report.suppressed) == (0, 1)

    web_harness.http.post("/subscribe", data={"email": ANNA})
    web_harness.http.post(web_harness.confirm_path(ANNA))
    assert web_harness.subscriber(ANNA).display_status == "confirmed"
    assert mailable(web_harness) == 1


def test_requesting_the_link_answers_the_same_for_all_and_emails_subscribers_once_a_day(
    web_harness: WebHarness,
) -> None:
    web_harness.app.subscribers.add("bob@host.example", confirmed_source="test")
    web_harness.app.suppressions.add("bob@host.example")
    before = len(web_harness.emails())
    asked = [ANNA, ANNA.upper(), "nobody@host.example", "bob@host.example"]
    answers = [web_harness.http.post("/link", data={"email": email}) for email in asked]
    trapped = web_harness.http.post("/link", data={"email": ANNA, "message": "buy"})
    assert len({(answer.status_code, answer.content) for answer in [*answers, trapped]}) == 1
    web_harness.app.transactional.send()
    (email,) = web_harness.emails()[before:]
    assert email["To"] == ANNA
    (url,) = {link for link in links_in(text_of(email)) if "/p/" in link}
    assert ANNA in web_harness.http.get(url.removeprefix("https://tips.example")).text
    web_harness.clock.forward(hours=25)
    web_harness.http.post("/link", data={"email": ANNA})
    assert web_harness.app.transactional.send() == 1
    assert web_harness.http.post("/link", data={"email": "anna"}).status_code == 422


def test_the_preferences_page_has_every_action(web_harness: WebHarness) -> None:
    page = web_harness.http.get(web_harness.preferences_path(ANNA)).text
    actions = set(re.findall(r'name="action" value="([a-z]+)"', page))
    assert actions == {"pause", "pace", "name", "address", "data", "leave", "erase"}
