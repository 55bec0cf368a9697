"""Pictures of tips: taken in from files and from the owner's own site, kept by an export, and shown everywhere."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from newsletter.actions.tips.import_report import Report
from newsletter.domain.errors import InputError
from newsletter.domain.tips.pictures import pictures_of
from newsletter.domain.tips.tip import TipState
from newsletter.http.download import MAX_DOWNLOAD, download
from newsletter.http.public_web import PublicWeb
from newsletter.testing import MemorySender
from tests.support.library import add_subscribers
from tests.support.publishing import AppHarness, open_app_harness, parse_emails, text_of

FRONT = "---\ntitle: Look at the line\n---\n"


def picture(form: str = "JPEG", size: tuple[int, int] = (400, 300), color: str = "navy") -> bytes:
    out = BytesIO()
    Image.new("RGB", size, color).save(out, form)
    return out.getvalue()


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    with open_app_harness(tmp_path, MemorySender(), data_dir=str(tmp_path / "data")) as harness:
        add_subscribers(harness.files, 1)
        yield harness


def names(harness: AppHarness, key: str = "look-at-the-line") -> list[str]:
    return [one.name for one in pictures_of(harness.tips.get(key).text.body)]


def add(harness: AppHarness, folder: Path, body: str, name: str = "line.md") -> Report:
    (folder / name).write_text(FRONT + body, encoding="utf-8")
    return harness.tips.import_files([folder / name], format_="markdown", queue=True)


def test_a_file_beside_the_tip_is_shown_in_email_page_and_feed(harness: AppHarness, tmp_path: Path) -> None:
    (tmp_path / "queue.jpg").write_bytes(picture())
    report = add(harness, tmp_path, "Look.\n\n![A line of three people](queue.jpg)\n\nThen speak.")
    assert (report.added, report.pictures, report.pictures_left_out, report.remarks) == (1, 1, 0, ())
    (name,) = names(harness)
    assert (tmp_path / "data" / "media" / name).stat().st_mode & 0o777 == 0o600

    sender = harness.memory()
    harness.issues.send(early=True)
    (message,) = parse_emails(sender.emails)
    html = str(message.get_body(("html",)).get_content())  # type: ignore[union-attr]
    assert f'src="https://tips.example/media/{name}"' in html
    assert 'alt="A line of three people"' in html
    assert 'width="400" height="300"' in html
    assert "[A line of three people]" in text_of(message)
    assert harness.tips.lint()[0].findings == harness.tips.lint(["look-at-the-line"])[0].findings


def test_importing_again_changes_nothing_and_an_edit_keeps_the_picture(harness: AppHarness, tmp_path: Path) -> None:
    (tmp_path / "queue.jpg").write_bytes(picture())
    add(harness, tmp_path, "Look.\n\n![A line](queue.jpg)")
    assert add(harness, tmp_path, "Look.\n\n![A line](queue.jpg)").unchanged == 1
    before = names(harness)
    written = harness.tips.as_file("look-at-the-line")
    assert f"(media/{before[0]})" in written
    harness.tips.edit("look-at-the-line", written.replace("Look.", "Look up."))
    assert names(harness) == before


def test_an_export_brings_the_pictures_to_another_newsletter(harness: AppHarness, tmp_path: Path) -> None:
    (tmp_path / "queue.jpg").write_bytes(picture())
    add(harness, tmp_path, "Look.\n\n![A line](queue.jpg)")
    folder = tmp_path / "export"
    harness.tips.export(folder, dry_run=False)
    assert harness.tips.export(folder, dry_run=False).written == 0
    assert harness.tips.import_files([folder]).unchanged == 1
    with open_app_harness(tmp_path / "export", MemorySender(), data_dir=str(tmp_path / "other")) as other:
        assert other.tips.import_files([folder]).pictures == 1
        assert names(other) == names(harness)
        assert (tmp_path / "other" / "media" / names(other)[0]).is_file()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nowhere.jpg", "no such file"),
        ("../secret.jpg", "outside of the folder"),
        ("/etc/hostname", "put the file beside the tip"),
        ("notes.md", "not a JPEG"),
        ("https://elsewhere.example/a.png", "another site"),
    ],
)
def test_a_picture_that_is_not_taken_in_is_named_and_stops_the_issue(
    harness: AppHarness, tmp_path: Path, url: str, reason: str
) -> None:
    (tmp_path / "secret.jpg").write_bytes(picture())
    folder = tmp_path / "tips"
    folder.mkdir()
    (folder / "notes.md").write_text("words")
    report = add(harness, folder, f"Look.\n\n![A line]({url})")
    assert (report.added, report.pictures, report.pictures_left_out) == (1, 0, 1)
    assert reason in report.remarks[0].text
    assert url in report.remarks[0].text
    held = harness.issues.send()
    assert held
    assert "picture" in held.pause_reason
    assert not (tmp_path / "data" / "media").exists()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("<a queue.jpg>", "a queue.jpg"),
        ("a%20queue.jpg", "a queue.jpg"),
        ("Pics/Queue.JPG", "pics/queue.jpg"),
        (r"pics\\queue.jpg", "pics/queue.jpg"),
        ("<Schlange fu\u0308r zwo\u0308lf.jpg>", "Schlange für zwölf.jpg"),
    ],
)
def test_a_link_from_another_editor_or_computer_finds_the_file(
    harness: AppHarness, tmp_path: Path, url: str, name: str
) -> None:
    (tmp_path / "pics").mkdir()
    (tmp_path / name).write_bytes(picture())
    report = add(harness, tmp_path, f"Look.\n\n![A line]({url})")
    assert (report.pictures, report.pictures_left_out) == (1, 0), report.remarks


@pytest.mark.parametrize(
    "url", ["..%2fsecret.jpg", r"..\\secret.jpg", "%2e%2e/SECRET.jpg", "a%00.jpg", "x" * 300 + ".jpg"]
)
def test_a_link_that_is_written_otherwise_does_not_leave_the_folder(
    harness: AppHarness, tmp_path: Path, url: str
) -> None:
    (tmp_path / "secret.jpg").write_bytes(picture())
    (tmp_path / "tips").mkdir()
    report = add(harness, tmp_path / "tips", f"Look.\n\n![A line]({url})")
    assert (report.pictures, report.pictures_left_out) == (0, 1)


def test_a_dry_run_says_of_the_pictures_of_the_blog_what_the_import_says(with_web: AppHarness, tmp_path: Path) -> None:
    with blog() as (base, _requests):
        (tmp_path / "feed.xml").write_text(feed(base, "/a.jpg", "/none.jpg"))
        dry = with_web.tips.import_files([tmp_path / "feed.xml"], pictures=True, dry_run=True)
        real = with_web.tips.import_files([tmp_path / "feed.xml"], pictures=True)
    assert (dry.pictures, dry.pictures_left_out) == (real.pictures, real.pictures_left_out) == (1, 1)


def test_a_dry_run_writes_no_picture_and_reports_the_same(harness: AppHarness, tmp_path: Path) -> None:
    (tmp_path / "queue.jpg").write_bytes(picture())
    (tmp_path / "line.md").write_text(f"{FRONT}![A line](queue.jpg) ![B](nowhere.jpg)", encoding="utf-8")
    report = harness.tips.import_files([tmp_path / "line.md"], dry_run=True)
    assert (report.added, report.pictures, report.pictures_left_out) == (1, 1, 1)
    assert not (tmp_path / "data" / "media").exists()


# -- from the blog -------------------------------------------------------------------------------------


class Blog(BaseHTTPRequestHandler):
    """Pictures by path, and some pages that are none. requests: the paths asked for."""

    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        match self.path:
            case "/a.jpg" | "/b.png":
                self._answer(
                    200, picture("JPEG" if self.path.endswith("jpg") else "PNG", color=self.path[1:2] * 0 or "teal")
                )
            case "/moved.jpg":
                self._answer(301, location="/a.jpg")
            case "/away.jpg":
                self._answer(301, location="http://169.254.169.254/latest")
            case "/page.jpg":
                self._answer(200, b"<html>no picture</html>")
            case "/huge.jpg":
                self._answer(200, b"\xff\xd8\xff" * (MAX_DOWNLOAD // 3 + 2))
            case _:
                self._answer(404, b"none")

    def _answer(self, status: int, content: bytes = b"", location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Write no log."""


@contextmanager
def blog() -> Iterator[tuple[str, list[str]]]:
    handler = type("Recorded", (Blog,), {"requests": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.requests  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def feed(base: str, *urls: str) -> str:
    images = "".join(f'&lt;p&gt;&lt;img src="{url}" alt="Picture {n}"&gt;&lt;/p&gt;' for n, url in enumerate(urls))
    return (
        f"<rss><channel><item><title>Look at the line</title><link>{base}/post</link>"
        f"<description>&lt;p&gt;Look at them.&lt;/p&gt;{images}&lt;p&gt;It was a long day.&lt;/p&gt;</description></item></channel></rss>"
    )


@pytest.fixture
def with_web(harness: AppHarness) -> AppHarness:
    """The harness with downloads that may reach this machine."""
    harness.__dict__["tips"] = _allowed(harness)
    return harness


def _allowed(harness: AppHarness):  # type: ignore[no-untyped-def] # noqa: ANN202
    from dataclasses import replace  # noqa: PLC0415

    web = PublicWeb(is_allowed=lambda _address: True)
    return replace(harness.tips, download=partial(download, web=web))


def test_pictures_of_the_blog_are_loaded_only_on_request_and_only_once(with_web: AppHarness, tmp_path: Path) -> None:
    with blog() as (base, requests):
        path = tmp_path / "feed.xml"
        path.write_text(feed(base, "/a.jpg", f"{base}/moved.jpg", "https://elsewhere.example/c.png"))
        first = with_web.tips.import_files([path])
        assert (first.pictures, first.pictures_left_out, requests) == (0, 3, [])
        assert "pass --pictures" in first.remarks[0].text
        assert f"[Picture 0]({base}/a.jpg)" in with_web.tips.get("look-at-the-line").text.body

        second = with_web.tips.import_files([path], pictures=True)
        assert (second.updated, second.pictures, second.pictures_left_out) == (1, 2, 1)
        assert len(names(with_web)) == 2
        assert requests == ["/a.jpg", "/moved.jpg", "/a.jpg"]

        for wanted in (True, False):
            third = with_web.tips.import_files([path], pictures=wanted)
            assert (third.unchanged, third.pictures) == (1, 2), "what was taken in stays"
        assert len(requests) == 3
    assert with_web.tips.get("look-at-the-line").card.state is TipState.ARCHIVE


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/away.jpg", "another site"),
        ("/page.jpg", "not a JPEG"),
        ("/none.jpg", "404"),
        ("/huge.jpg", "more than 20 MB"),
    ],
)
def test_what_the_blog_does_not_give_is_named(with_web: AppHarness, tmp_path: Path, path: str, reason: str) -> None:
    with blog() as (base, _requests):
        (tmp_path / "feed.xml").write_text(feed(base, path))
        report = with_web.tips.import_files([tmp_path / "feed.xml"], pictures=True)
    assert (report.added, report.pictures, report.pictures_left_out) == (1, 0, 1)
    assert reason in report.remarks[0].text


def test_private_addresses_are_never_asked() -> None:
    with blog() as (base, requests):
        with pytest.raises(InputError, match="not public"):
            download(f"{base}/a.jpg")
        assert requests == []


def test_a_picture_inside_the_text_is_taken_in(harness: AppHarness, tmp_path: Path) -> None:
    data = base64.b64encode(picture("PNG")).decode()
    path = tmp_path / "feed.xml"
    path.write_text(feed("https://blog.example", f"data:image/png;base64,{data}", "data:image/png;base64,AAAA"))
    report = harness.tips.import_files([path])
    assert (report.added, report.pictures, report.pictures_left_out) == (1, 1, 1)
    assert "a picture in the text" in report.remarks[0].text
    assert len(names(harness)) == 1
    assert "inline.invalid" not in harness.tips.get("look-at-the-line").text.body
