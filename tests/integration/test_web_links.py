"""The personal links over real HTTP: confirm, leave, preferences; what repeats, what is refused, what stays unsaid."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.domain.subscribers.subscription import Status
from tests.support.web import Front, open_front

ANNA = "anna@host.example"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with open_front(tmp_path) as front:
        front.http.post("/subscribe", data={"email": ANNA, "name": "Anna"})
        yield front


def consents(front: Front) -> list[tuple[str, str]]:
    with front.app.store.read() as tx:
        return [(entry.what, entry.proof) for entry in tx.subscribers.consents(front.reader(ANNA).id)]


def test_a_confirm_link_shows_a_button_and_only_the_button_confirms(front: Front) -> None:
    path = front.confirm_path(ANNA)
    for _ in range(2):
        page = front.http.get(path)
        assert (page.status_code, '<form method="post">' in page.text) == (200, True)
    assert front.reader(ANNA).status is Status.PENDING

    first, second = front.http.post(path), front.http.post(path)

    assert (first.status_code, second.status_code) == (200, 200)
    assert "Welcome" in first.text
    assert "already" in second.text
    assert front.reader(ANNA).status is Status.CONFIRMED
    assert [what for what, _ in consents(front)] == ["signup", "confirm"]
    assert "<form" not in front.http.get(path).text


def test_an_old_confirm_link_never_resubscribes(front: Front) -> None:
    path = front.confirm_path(ANNA)
    front.http.post(path)
    front.http.post(front.leave_path(ANNA))
    for answer in (front.http.get(path), front.http.post(path)):
        assert answer.status_code == 410
        assert 'href="/#signup"' in answer.text
    assert front.reader(ANNA).status is Status.UNSUBSCRIBED


@pytest.mark.parametrize("encoding", ["urlencoded", "multipart"])
def test_one_click_unsubscribes_without_redirect_or_cookie_and_twice_is_once(front: Front, encoding: str) -> None:
    front.http.post(front.confirm_path(ANNA))
    path = front.leave_path(ANNA)
    for _ in range(2):
        answer = (
            front.http.post(path, data=ONE_CLICK)
            if encoding == "urlencoded"
            else front.http.post(path, files={"List-Unsubscribe": (None, "One-Click")})
        )
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers

    assert front.reader(ANNA).status is Status.UNSUBSCRIBED
    assert consents(front)[-1] == ("leave", "issue 10, one-click")
    assert [what for what, _ in consents(front)].count("leave") == 1
    with front.app.store.read() as tx:
        assert tx.subscribers.mailable() == 0


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", ""), (b"x", "multipart/form-data"), (b"{", "application/json"), (b"List-Unsubscribe=Later", "text/plain")],
)
def test_a_post_that_cannot_be_read_still_is_a_wish_to_leave(front: Front, content: bytes, kind: str) -> None:
    answer = front.http.post(front.leave_path(ANNA), content=content, headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 200
    assert consents(front)[-1] == ("leave", "issue 10, page")


def test_the_leave_page_has_a_button_and_does_not_show_the_whole_address(front: Front) -> None:
    page = front.http.get(front.leave_path(ANNA))
    assert '<form method="post">' in page.text
    assert "a***@host.example" in page.text
    assert ANNA not in page.text
    front.http.post(front.leave_path(ANNA))
    assert '<form method="post">' not in front.http.get(front.leave_path(ANNA)).text


def test_preferences_show_where_one_stands_and_lead_out(front: Front) -> None:
    front.http.post(front.confirm_path(ANNA))
    path = front.preferences_path(ANNA)
    page = front.http.get(path)
    assert ANNA in page.text
    assert 'name="action" value="leave"' in page.text

    assert front.http.post(path, data={"action": "dance"}).status_code == 422
    assert front.reader(ANNA).status is Status.CONFIRMED
    assert front.http.post(path, data={"action": "leave"}).status_code == 200

    assert front.reader(ANNA).status is Status.UNSUBSCRIBED
    assert consents(front)[-1] == ("leave", "preferences")
    assert 'href="/#signup"' in front.http.get(path).text


def test_a_link_with_one_changed_character_is_refused_by_every_door(front: Front) -> None:
    before = front.rows()
    for path in (front.confirm_path(ANNA), front.leave_path(ANNA), front.preferences_path(ANNA)):
        changed = path[:-1] + ("A" if path[-1] != "A" else "B")
        for answer in (front.http.get(changed), front.http.post(changed)):
            assert answer.status_code == 400
            assert "This link does not work" in answer.text
            assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert front.rows() == before


def test_a_link_of_one_door_opens_no_other(front: Front) -> None:
    tokens = {
        path.rpartition("/")[0]: path.rpartition("/")[2]
        for path in (front.confirm_path(ANNA), front.leave_path(ANNA), front.preferences_path(ANNA))
    }
    for door in tokens:
        for made_for, token in tokens.items():
            assert (front.http.get(f"{door}/{token}").status_code == 200) is (door == made_for)


def test_the_whole_way_by_mail(front: Front) -> None:
    front.app.flush_notices()
    (mail,) = front.mails()
    assert mail["To"] == ANNA
    assert "Anna" not in mail.as_string().replace("Anna Beispiel", "")
    front.http.post(front.confirm_path(ANNA))
    front.app.flush_notices()
    assert ["Please confirm" in mail["Subject"] for mail in front.mails()] == [True, False]
