"""Behind the personal link, over real HTTP: name, pause, pace, a new address, my data, erase; and the way back to it."""

import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.domain.subscribers.subscription import Pace, Status
from newsletter.store.sqlite.database import sqlite_path
from tests.support.web import Front, links_in, open_front, text_of

ANNA, NEW = "anna@host.example", "new@other.example"


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with open_front(tmp_path, timezone="Europe/Berlin") as front:
        front.http.post("/subscribe", data={"email": ANNA, "name": "Anna"})
        front.http.post(front.confirm_path(ANNA))
        front.app.flush_notices()
        yield front


def change(front: Front, status: int = 200, address: str = ANNA, **fields: str) -> str:
    answer = front.http.post(front.preferences_path(address), data=fields)
    assert answer.status_code == status, answer.text
    return answer.text


def consents(front: Front, address: str = ANNA) -> list[tuple[str, str]]:
    with front.app.store.read() as tx:
        return [(entry.what, entry.proof) for entry in tx.subscribers.consents(front.reader(address).id)]


def mailable(front: Front) -> int:
    with front.app.store.read() as tx:
        return tx.subscribers.mailable()


def test_a_name_is_changed_and_cleaned(front: Front) -> None:
    assert 'value="Zoë"' in change(front, action="name", name=" Zoe\u0308 ")
    assert front.reader(ANNA).name == "Zoë"
    change(front, action="name", name="Buy at www.pills.example")
    assert front.reader(ANNA).name == ""


@pytest.mark.parametrize("weeks", [4, 8, 12])
def test_a_pause_lasts_its_weeks_and_ends_by_itself(front: Front, weeks: int) -> None:
    change(front, action="pause", weeks=str(weeks))
    assert (front.reader(ANNA).status, mailable(front)) == (Status.PAUSED, 0)
    front.clock.forward(weeks=weeks, seconds=-1)
    assert front.app.housekeeping()["woken"] == 0
    front.clock.forward(seconds=1)
    assert front.app.housekeeping()["woken"] == 1
    assert (front.reader(ANNA).status, front.reader(ANNA).paused_until, mailable(front)) == (Status.CONFIRMED, None, 1)
    assert [what for what, _ in consents(front)][-2:] == ["pause", "resume"]


def test_a_pause_until_a_day_ends_where_that_day_begins_for_the_newsletter(front: Front) -> None:
    page = change(front, action="pause", weeks="until", until="2025-06-10")
    assert "is paused until 10 June 2025" in page
    assert front.reader(ANNA).paused_until == datetime(2025, 6, 9, 22, tzinfo=UTC)
    change(front, action="resume")
    assert front.reader(ANNA).status is Status.CONFIRMED


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
def test_what_cannot_be_is_said_on_the_same_page_and_changes_nothing(front: Front, fields: dict[str, str]) -> None:
    before = front.rows()
    assert 'role="alert"' in change(front, 422, **fields)
    assert front.rows() == before


def test_once_a_month_is_a_letter_every_four_weeks(front: Front) -> None:
    change(front, action="pace", pace="monthly")
    assert (front.reader(ANNA).pace, mailable(front)) == (Pace.MONTHLY, 1)
    assert consents(front)[-1] == ("pace", "monthly, preferences")
    got = []
    for week in range(9):
        front.app.housekeeping()
        if mailable(front):
            got.append(week)
            letter_sent(front)
        front.clock.forward(weeks=1)
    assert got == [0, 4, 8]
    front.app.housekeeping()
    assert mailable(front) == 0
    change(front, action="pace", pace="weekly")
    assert mailable(front) == 1


def letter_sent(front: Front) -> None:
    """As the ledger leaves a letter that was sent now."""
    now = front.clock()
    with front.app.store.write() as tx:
        issue = tx.issues.plan(now.date(), now, now)
    connection = sqlite3.connect(sqlite_path(front.app.settings.database_url))
    with connection:
        connection.execute(
            "INSERT INTO delivery (issue_id, subscriber_id, state, attempts, crashes, last_at)"
            " VALUES (?, ?, 'sent', 1, 0, ?)",
            (issue.number, front.reader(ANNA).id, int(now.timestamp() * 1000)),
        )
    connection.close()


def move_link(front: Front) -> str:
    front.app.flush_notices()
    mail = front.mails()[-1]
    assert mail["To"] == NEW
    assert "Anna" not in text_of(mail)
    (url,) = {link for link in links_in(text_of(mail)) if "/move/" in link}
    return url.removeprefix("https://tips.example")


def test_a_new_address_counts_when_its_owner_said_yes(front: Front) -> None:
    change(front, action="address", email=NEW)
    path = move_link(front)
    assert '<form method="post">' in front.http.get(path).text
    assert front.reader(ANNA).address == ANNA
    for _ in range(2):
        assert NEW in front.http.post(path).text
    reader = front.reader(NEW)
    assert (reader.address, reader.status, reader.name) == (NEW, Status.CONFIRMED, "Anna")
    assert [what for what, _ in consents(front, NEW)] == ["signup", "confirm", "move"]


def test_the_answer_does_not_tell_whether_a_new_address_is_known_and_nobody_is_mailed_twice_a_day(front: Front) -> None:
    front.app.add_subscriber("bob@host.example", confirmed_source="test")
    front.app.add_subscriber("eve@host.example", confirmed_source="test")
    front.app.suppress("gone@host.example")
    pages = [change(front, action="address", email=email) for email in ("bob@host.example", "gone@host.example", NEW)]
    pages += [change(front, action="address", email="third@host.example")]
    other = change(front, address="eve@host.example", action="address", email=NEW)
    assert len(set(pages)) == 1
    assert other.replace("eve@host.example", ANNA).replace('value=""', 'value="Anna"') == pages[0]
    before = len(front.mails())
    front.app.flush_notices()
    assert [mail["To"] for mail in front.mails()[before:]] == [NEW]


def test_a_link_to_a_new_address_is_stale_after_a_month_after_another_wish_and_after_leaving(front: Front) -> None:
    change(front, action="address", email=NEW)
    path = move_link(front)
    front.http.post(front.leave_path(ANNA))
    assert front.http.post(path).status_code == 410
    assert front.reader(ANNA).address == ANNA
    front.clock.forward(days=31)
    assert front.http.get(path).status_code == 410


def test_my_data_is_everything_and_a_look_changes_nothing(front: Front) -> None:
    before = front.rows()
    answer = front.http.get(f"{front.preferences_path(ANNA)}/data.json")
    assert front.rows() == before
    found = answer.json()
    assert (found["address"], found["name"], found["status"]) == (ANNA, "Anna", "confirmed")
    assert [entry["what"] for entry in found["consent"]] == ["signup", "confirm"]
    assert "attachment" in answer.headers["content-disposition"]
    assert front.http.post(front.preferences_path(ANNA), data={"action": "data"}).json() == found


def test_erase_me_leaves_no_trace_but_a_number_that_keeps_imports_away(front: Front, tmp_path: Path) -> None:
    path = front.preferences_path(ANNA)
    change(front, action="name", name="Rosamunde")
    assert "You are erased" in change(front, action="erase", sure="yes")
    everything = repr(front.rows()).lower()
    assert ANNA not in everything
    assert "rosamunde" not in everything
    assert front.http.get(path).status_code == 400
    (tmp_path / "old.csv").write_text(f"email\n{ANNA}\n")
    report = front.app.import_subscribers(tmp_path / "old.csv", confirmed_source="old list")
    assert (report.added, report.suppressed) == (0, 1)

    front.http.post("/subscribe", data={"email": ANNA})
    front.http.post(front.confirm_path(ANNA))
    assert front.reader(ANNA).shown_status == "confirmed"
    assert mailable(front) == 1


def test_send_me_my_link_answers_the_same_to_all_and_mails_once_a_day_those_we_know(front: Front) -> None:
    front.app.add_subscriber("bob@host.example", confirmed_source="test")
    front.app.suppress("bob@host.example")
    before = len(front.mails())
    asked = [ANNA, ANNA.upper(), "nobody@host.example", "bob@host.example"]
    answers = [front.http.post("/link", data={"email": email}) for email in asked]
    trapped = front.http.post("/link", data={"email": ANNA, "message": "buy"})
    assert len({(answer.status_code, answer.content) for answer in [*answers, trapped]}) == 1
    front.app.flush_notices()
    (mail,) = front.mails()[before:]
    assert mail["To"] == ANNA
    (url,) = {link for link in links_in(text_of(mail)) if "/p/" in link}
    assert ANNA in front.http.get(url.removeprefix("https://tips.example")).text
    front.clock.forward(hours=25)
    front.http.post("/link", data={"email": ANNA})
    assert front.app.flush_notices() == 1
    assert front.http.post("/link", data={"email": "anna"}).status_code == 422


def test_a_page_of_preferences_has_every_choice(front: Front) -> None:
    page = front.http.get(front.preferences_path(ANNA)).text
    actions = set(re.findall(r'name="action" value="([a-z]+)"', page))
    assert actions == {"pause", "pace", "name", "address", "data", "leave", "erase"}
