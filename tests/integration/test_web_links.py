"""The links in emails over real HTTP: confirm, unsubscribe and preferences, used once, twice, and altered."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.domain.subscribers.subscription import Status
from tests.support.web import WebHarness, open_web_harness

ANNA = "anna@host.example"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path) as web_harness:
        web_harness.http.post("/subscribe", data={"email": ANNA, "name": "Anna"})
        yield web_harness


def consents(web_harness: WebHarness) -> list[tuple[str, str]]:
    with web_harness.app.store.read() as tx:
        return [(entry.what, entry.proof) for entry in tx.subscribers.consents(web_harness.subscriber(ANNA).id)]


def test_a_confirm_link_shows_a_button_and_only_the_button_confirms(web_harness: WebHarness) -> None:
    path = web_harness.confirm_path(ANNA)
    for _ in range(2):
        page = web_harness.http.get(path)
        assert (page.status_code, '<form method="post">' in page.text) == (200, True)
    assert web_harness.subscriber(ANNA).status is Status.PENDING

    first, second = web_harness.http.post(path), web_harness.http.post(path)

    assert (first.status_code, second.status_code) == (200, 200)
    assert "Welcome" in first.text
    assert "already" in second.text
    assert web_harness.subscriber(ANNA).status is Status.CONFIRMED
    assert [what for what, _ in consents(web_harness)] == ["signup", "confirm"]
    assert "<form" not in web_harness.http.get(path).text


def test_an_old_confirm_link_never_resubscribes(web_harness: WebHarness) -> None:
    path = web_harness.confirm_path(ANNA)
    web_harness.http.post(path)
    web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    for answer in (web_harness.http.get(path), web_harness.http.post(path)):
        assert answer.status_code == 410
        assert 'href="/#signup"' in answer.text
    assert web_harness.subscriber(ANNA).status is Status.UNSUBSCRIBED


@pytest.mark.parametrize("encoding", ["urlencoded", "multipart"])
def test_one_click_unsubscribes_once_without_redirect_or_cookie(web_harness: WebHarness, encoding: str) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    path = web_harness.unsubscribe_path(ANNA)
    for _ in range(2):
        answer = (
            web_harness.http.post(path, data=ONE_CLICK)
            if encoding == "urlencoded"
            else web_harness.http.post(path, files={"List-Unsubscribe": (None, "One-Click")})
        )
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers

    assert web_harness.subscriber(ANNA).status is Status.UNSUBSCRIBED
    assert consents(web_harness)[-1] == ("leave", "issue 10, one-click")
    assert [what for what, _ in consents(web_harness)].count("leave") == 1
    with web_harness.app.store.read() as tx:
        assert tx.subscribers.mailable() == 0


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", ""), (b"x", "multipart/form-data"), (b"{", "application/json"), (b"List-Unsubscribe=Later", "text/plain")],
)
def test_a_post_that_cannot_be_read_still_unsubscribes(web_harness: WebHarness, content: bytes, kind: str) -> None:
    answer = web_harness.http.post(
        web_harness.unsubscribe_path(ANNA), content=content, headers={"Content-Type": kind} if kind else {}
    )
    assert answer.status_code == 200
    assert consents(web_harness)[-1] == ("leave", "issue 10, page")


def test_the_unsubscribe_page_has_a_button_and_masks_the_address(web_harness: WebHarness) -> None:
    page = web_harness.http.get(web_harness.unsubscribe_path(ANNA))
    assert '<form method="post">' in page.text
    assert "a***@host.example" in page.text
    assert ANNA not in page.text
    web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    assert '<form method="post">' not in web_harness.http.get(web_harness.unsubscribe_path(ANNA)).text


def test_preferences_show_the_status_and_a_button_that_unsubscribes(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    path = web_harness.preferences_path(ANNA)
    page = web_harness.http.get(path)
    assert ANNA in page.text
    assert 'name="action" value="leave"' in page.text

    assert web_harness.http.post(path, data={"action": "dance"}).status_code == 422
    assert web_harness.subscriber(ANNA).status is Status.CONFIRMED
    assert web_harness.http.post(path, data={"action": "leave"}).status_code == 200

    assert web_harness.subscriber(ANNA).status is Status.UNSUBSCRIBED
    assert consents(web_harness)[-1] == ("leave", "preferences")
    assert 'href="/#signup"' in web_harness.http.get(path).text


def test_every_page_refuses_a_link_with_one_changed_character(web_harness: WebHarness) -> None:
    before = web_harness.rows()
    for path in (
        web_harness.confirm_path(ANNA),
        web_harness.unsubscribe_path(ANNA),
        web_harness.preferences_path(ANNA),
    ):
        changed = path[:-1] + ("A" if path[-1] != "A" else "B")
        for answer in (web_harness.http.get(changed), web_harness.http.post(changed)):
            assert answer.status_code == 400
            assert "This link doesn’t work" in answer.text
            assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert web_harness.rows() == before


def test_a_token_works_for_one_purpose_only(web_harness: WebHarness) -> None:
    tokens = {
        path.rpartition("/")[0]: path.rpartition("/")[2]
        for path in (
            web_harness.confirm_path(ANNA),
            web_harness.unsubscribe_path(ANNA),
            web_harness.preferences_path(ANNA),
        )
    }
    for kind in tokens:
        for made_for, token in tokens.items():
            assert (web_harness.http.get(f"{kind}/{token}").status_code == 200) is (kind == made_for)


def test_sign_up_and_confirm_by_email(web_harness: WebHarness) -> None:
    web_harness.app.transactional.send()
    (email,) = web_harness.emails()
    assert email["To"] == ANNA
    assert "Anna" not in email.as_string().replace("Anna Beispiel", "")
    web_harness.http.post(web_harness.confirm_path(ANNA))
    web_harness.app.transactional.send()
    assert ["Please confirm" in email["Subject"] for email in web_harness.emails()] == [True, False]
