"""The sign-up form over real HTTP: encodings, JSON, size limits, and the same response for every address."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.web import WebHarness, open_web_harness

JSON = {"Accept": "application/json"}


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path) as web_harness:
        yield web_harness


def seen(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """Everything that a visitor can see of a response, except the Date header."""
    return answer.status_code, [(k, v) for k, v in answer.headers.multi_items() if k != "date"], answer.content


@pytest.mark.parametrize("kind", ["urlencoded", "multipart", "json"])
def test_the_form_is_accepted_in_three_encodings(web_harness: WebHarness, kind: str) -> None:
    fields = {"email": "Anna@host.example", "name": "Anna Beispiel"}
    answer = {
        "urlencoded": lambda: web_harness.http.post("/subscribe", data=fields),
        "multipart": lambda: web_harness.http.post("/subscribe", files={k: (None, v) for k, v in fields.items()}),
        "json": lambda: web_harness.http.post("/subscribe", json=fields),
    }[kind]()

    assert (answer.status_code, answer.headers["location"]) == (303, "/subscribe/sent")
    assert web_harness.subscriber("anna@host.example").name == "Anna Beispiel"
    assert web_harness.http.get("/subscribe/sent").status_code == 200


def test_a_client_that_accepts_json_gets_json(web_harness: WebHarness) -> None:
    answer = web_harness.http.post("/subscribe", json={"email": "anna@host.example"}, headers=JSON)
    assert (answer.status_code, answer.json()) == (202, {"status": "check_mail"})
    wrong = web_harness.http.post("/subscribe", json={"email": "anna"}, headers=JSON)
    assert wrong.status_code == 422
    assert set(wrong.json()) == {"error", "fix"}


@pytest.mark.parametrize(
    ("accept", "in_json"),
    [
        ("application/json", True),
        ("application/json, text/plain, */*", True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("text/html, application/json;q=0.9", False),
        ("text/html;q=0.5, Application/JSON", True),
        ("application/json;q=0", False),
        ("application/json;q=often", False),
        ("*/*", False),
    ],
)
def test_only_a_client_that_prefers_json_gets_it(web_harness: WebHarness, accept: str, in_json: bool) -> None:  # noqa: FBT001
    answer = web_harness.http.post("/subscribe", data={"email": "anna@host.example"}, headers={"Accept": accept})
    assert (answer.status_code == 202) is in_json


def test_an_invalid_address_returns_the_form_filled_in_and_escaped(web_harness: WebHarness) -> None:
    answer = web_harness.http.post("/subscribe", data={"email": '"><b>anna', "name": "<i>Anna</i>"})
    assert answer.status_code == 422
    assert 'value="&#34;&gt;&lt;b&gt;anna"' in answer.text
    assert 'value="&lt;i&gt;Anna&lt;/i&gt;"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "<b>" not in answer.text


@pytest.mark.parametrize("headers", [{}, JSON])
def test_known_unknown_and_suppressed_addresses_get_identical_responses(
    web_harness: WebHarness, headers: dict[str, str]
) -> None:
    web_harness.app.subscribers.add("confirmed@host.example", confirmed_source="test")
    web_harness.app.subscribers.add("left@host.example", confirmed_source="test")
    web_harness.app.subscribers.unsubscribe("left@host.example")
    web_harness.app.suppressions.add("suppressed@host.example")
    names = ["confirmed", "left", "suppressed", "new", "new"]

    answers = [
        seen(web_harness.http.post("/subscribe", data={"email": f"{name}@host.example"}, headers=headers))
        for name in names
    ]

    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] in (202, 303)


@pytest.mark.parametrize("headers", [{}, JSON])
def test_a_filled_honeypot_gets_the_same_response_and_stores_nothing(
    web_harness: WebHarness, headers: dict[str, str]
) -> None:
    before = web_harness.rows()
    fields = {"email": "bot@host.example", "message": "buy"}
    trapped = seen(web_harness.http.post("/subscribe", data=fields, headers=headers))
    assert web_harness.rows() == before
    assert trapped == seen(web_harness.http.post("/subscribe", data={"email": "new@host.example"}, headers=headers))


def test_the_form_has_every_field_that_sign_up_reads(web_harness: WebHarness) -> None:
    page = web_harness.http.get("/").text
    for field in ('name="email"', 'name="name"', 'name="message"', 'autocomplete="email"', 'inputmode="email"'):
        assert field in page
    assert "Signup for FREE Tips!" in page


@pytest.mark.parametrize("path", ["/subscribe", "/confirm/x", "/u/x", "/p/x"])
def test_a_body_that_is_too_long_is_refused_with_or_without_content_length(web_harness: WebHarness, path: str) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    declared = web_harness.http.post(path, content=b"email=" + b"a" * 20_000, headers=form)
    chunked = web_harness.http.post(path, content=iter([b"email=", *[b"a" * 1000] * 20]), headers=form)
    assert (declared.status_code, chunked.status_code) == (413, 413)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b"[" * 16_000, "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"email": 7}', "application/json", 422),
        (b'{"email": "\\ud800@host.example"}', "application/json", 400),
        (
            b"--x\r\nContent-Disposition: form-data; name=email\r\n\r\n\\ud800\r\n--x--\r\n",
            "multipart/form-data; boundary=x; charset=unicode_escape",
            400,
        ),
        (
            b"--x\r\nContent-Disposition: form-data; name=email\r\n\r\nx\r\n--x--\r\n",
            "multipart/form-data; boundary=x; charset=undefined",
            400,
        ),
        (b"email=%00%ff%fe", "application/x-www-form-urlencoded", 422),
        (b"", "application/x-www-form-urlencoded", 422),
        (b"&".join(b"a=1" for _ in range(200)), "application/x-www-form-urlencoded", 400),
        (b"nothing", "multipart/form-data; boundary=x", 400),
        (b"nothing", "multipart/form-data", 400),
        (b"<email/>", "text/xml", 415),
        (b"", "", 422),
    ],
)
def test_an_unreadable_request_is_a_client_error_and_changes_nothing(
    web_harness: WebHarness, content: bytes, kind: str, status: int
) -> None:
    before = web_harness.rows()
    answer = web_harness.http.post("/subscribe", content=content, headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == status
    assert web_harness.rows() == before


def test_control_characters_in_a_name_are_removed(web_harness: WebHarness) -> None:
    body = b'{"email": "anna@host.example", "name": "\\u0000 An\\u202ena"}'
    answer = web_harness.http.post("/subscribe", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 303
    assert web_harness.subscriber("anna@host.example").name == "Anna"


def test_the_origin_of_a_sign_up_is_the_peer_and_not_a_forged_header(web_harness: WebHarness) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9"}
    web_harness.http.post("/subscribe", data={"email": "anna@host.example"}, headers=forged)
    with web_harness.app.store.read() as tx:
        (consent,) = tx.subscribers.consents(web_harness.subscriber("anna@host.example").id)
    assert (consent.what, consent.proof, consent.origin) == ("signup", "page/1", "127.0.0.1")


def test_a_trusted_proxy_names_the_origin_of_a_sign_up(tmp_path: Path) -> None:
    with open_web_harness(tmp_path, trusted_proxies="127.0.0.1") as web_harness:
        web_harness.http.post(
            "/subscribe", data={"email": "anna@host.example"}, headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
        )
        with web_harness.app.store.read() as tx:
            (consent,) = tx.subscribers.consents(web_harness.subscriber("anna@host.example").id)
    assert consent.origin == "203.0.113.9"


@pytest.mark.parametrize("who", ["another process", "another thread"])
def test_a_sign_up_that_waits_for_a_writer_does_not_delay_other_requests(
    web_harness: WebHarness, tmp_path: Path, who: str
) -> None:
    other = sqlite3.connect(tmp_path / "newsletter.db", isolation_level=None)
    writing = ExitStack()
    if who == "another process":
        other.execute("BEGIN IMMEDIATE")
        writing.callback(other.execute, "COMMIT")
    else:
        writing.enter_context(web_harness.app.store.write())

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            httpx.post, f"{web_harness.http.base_url}/subscribe", data={"email": "anna@host.example"}, trust_env=False
        )
        while not waiting.running():
            pass
        pages = [web_harness.http.get("/subscribe/sent").status_code for _ in range(50)]
        assert not waiting.done()
        writing.close()
        answer = waiting.result(timeout=30)
    other.close()

    assert (pages, answer.status_code) == ([200] * 50, 303)
    assert web_harness.subscriber("anna@host.example").address == "anna@host.example"
    assert web_harness.rows()["notice"][0][1] == "confirm"
    assert len(web_harness.rows()["notice"]) == 1
