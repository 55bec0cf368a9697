"""An error in an owner's template is reported with file and line before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.domain.errors import TemplateError
from newsletter.domain.site import Site
from newsletter.rendering.template_check import RENAMED, builtin_templates, check_templates

SITE = Site("Tips", "Tips", "tips@news.example", "https://news.example")


def own(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_an_owners_email_may_use_every_variable_of_ours(tmp_path: Path) -> None:
    own(tmp_path, "email/issue/subject.txt", "{{ site.title }} {{ number }}: {{ tip.title }} {{ slot|day }}")
    own(tmp_path, "email/issue/body.txt", "{{ name }} {{ body_text }} {{ tip.takeaway }} {{ unsubscribe_url }}")
    own(tmp_path, "email/mine/whatever.txt", "{{ my_own }}")
    check_templates(SITE, tmp_path)


def test_an_owners_page_may_use_every_variable_of_ours(tmp_path: Path) -> None:
    own(tmp_path, "web/tip.html", "{{ found.tip|byline }} {{ weekday }} {{ style_url }} {{ path('/') }} {{ range(2) }}")
    own(tmp_path, "web/mine/part.html", "{{ my_own|told }}")
    check_templates(SITE, tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("email/issue/body.html", "<p>\n{% if %}\n", 2, "Expected an expression"),
        ("email/issue/body.txt", "a\nb\n{{ tipp.title }}", 3, "the variable 'tipp' does not exist here"),
        ("email/issue/body.txt", "a\n{{ tip.titel }} {{ unsubscribe_url }}", 2, "titel"),
        ("email/issue/subject.txt", "{{ tip.title|shrten }}", 1, "shrten"),
        ("email/confirm/body.html", "\n{{ confrm_url }}", 2, "the variable 'confrm_url' does not exist here"),
        ("email/_base/body.html", "{% block x %}", 1, "block"),
        ("web/tip.html", "\n\n{{ fond.tip }}", 3, "the variable 'fond' does not exist here"),
        ("web/archive.html", "{% for %}", 1, "Expected"),
        ("web/archive.html", "\n{{ site.title|shorten }}", 2, "shorten"),
        ("web/archive.html", "{{ footer_links }}", 1, "the variable 'footer_links' does not exist here"),
        ("email/issue/body.html", "{{ tip|byline }}", 1, "byline"),
        ("email/confirm/body.html", "{{ style_url }}", 1, "the variable 'style_url' does not exist here"),
    ],
)
def test_an_error_in_a_template_is_reported_with_its_line(
    tmp_path: Path, name: str, text: str, line: int, words: str
) -> None:
    path = own(tmp_path, name, text)
    with pytest.raises(TemplateError, match=words) as caught:
        check_templates(SITE, tmp_path)
    assert (caught.value.source, caught.value.line) == (str(path), line)


@pytest.mark.parametrize("name", ["web/style.css", "email/issue/body.txt"])
def test_a_file_that_is_not_utf_8_is_reported_with_a_fix(tmp_path: Path, name: str) -> None:
    path = own(tmp_path, name, "")
    path.write_bytes("/* größer */".encode("latin-1"))
    with pytest.raises(TemplateError, match="cannot be read") as caught:
        check_templates(SITE, tmp_path)
    assert (caught.value.source, caught.value.fix) == (str(path), "Save it as UTF-8")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("email/farewell/body.txt", "email/farewell is now email/unsubscribed"),
        ("email/_base/shares.html", "email/_base/shares.html is now email/_base/substitutes.html"),
        ("web/left.html", "web/left.html is now web/unsubscribed.html"),
    ],
)
def test_a_template_with_an_old_name_is_reported_with_its_new_name(tmp_path: Path, old: str, new: str) -> None:
    own(tmp_path, old, "My words")
    with pytest.raises(TemplateError) as caught:
        check_templates(SITE, tmp_path)
    assert (caught.value.message, caught.value.fix) == (new, f"Rename it in {tmp_path}")


def test_all_templates_with_old_names_are_reported_together(tmp_path: Path) -> None:
    own(tmp_path, "email/alarm/body.txt", "My words")
    own(tmp_path, "web/useful.html", "My words")
    with pytest.raises(TemplateError) as caught:
        check_templates(SITE, tmp_path)
    assert caught.value.message == "email/alarm is now email/alert, web/useful.html is now web/feedback.html"
    assert caught.value.fix == f"Rename them in {tmp_path}"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("web/form.html", '<div class="away" aria-hidden="true">', "'away' is now 'offscreen'"),
        ("web/owner.html", '{% if view.wish and view.wish.wish == "hold" %}{% endif %}', "'wish' is now 'override'"),
        ("email/confirm/body.html", '<td class="first face">', "'face' is now 'button-cell'"),
    ],
)
def test_a_class_or_an_attribute_of_an_older_version_is_reported(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    own(tmp_path, name, text)
    with pytest.raises(TemplateError) as caught:
        check_templates(SITE, tmp_path)
    assert (caught.value.message.endswith(f":1: {words}"), caught.value.line) == (True, 1)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("email/report/body.txt", '\n{% include "_base/shares.txt" %}', "email/_base/substitutes.txt"),
        ("email/confirm/body.html", '\n{% extends "alarm/body.html" %}', "email/alert"),
        ("web/signup.html", '\n{% extends "embed.html" %}', "web/signup_embed.html"),
    ],
)
def test_a_reference_to_an_old_name_is_reported_with_its_line(tmp_path: Path, name: str, text: str, words: str) -> None:
    path = own(tmp_path, name, text)
    with pytest.raises(TemplateError, match=f"is now {words}") as caught:
        check_templates(SITE, tmp_path)
    assert (caught.value.source, caught.value.line) == (str(path), 2)


def test_every_new_name_exists(tmp_path: Path) -> None:
    for name in builtin_templates():
        own(tmp_path, name, "")
    assert [new for new in RENAMED.values() if not (tmp_path / new).exists()] == []
    assert [old for old in RENAMED if (tmp_path / old).exists()] == []


def test_a_missing_directory_is_reported(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="NEWSLETTER_TEMPLATES"):
        check_templates(SITE, tmp_path / "nowhere")
