import json
import os
from pathlib import Path

from tests.conftest import Command


def test_a_copied_and_changed_template_overrides_ours(newsletter: Command, home: Path) -> None:
    env = {"NEWSLETTER_TEMPLATES": "own"}
    copied = json.loads(newsletter("templates", "copy", "email/issue", "--json", env=env).stdout)["copied"]
    assert len(copied) == 3
    (home / "own/email/issue/subject.txt").write_text("Mine: {{ tip.title }}", encoding="utf-8")
    listed = json.loads(newsletter("templates", "list", "--json", env=env).stdout)["templates"]
    assert [one["name"] for one in listed if one["whose"] == "yours"] == [
        "email/issue/body.html", "email/issue/body.txt", "email/issue/subject.txt",
    ]  # fmt: skip
    assert newsletter("templates", "check", env=env).returncode == 0
    assert json.loads(newsletter("issues", "preview", "--json", env=env).stdout)["subject"].startswith("Mine: ")
    assert newsletter("templates", "copy", "email/issue", env=env).returncode == 1


def test_a_broken_template_is_reported_before_anything_is_sent(newsletter: Command, home: Path) -> None:
    env = {"NEWSLETTER_TEMPLATES": "own"}
    newsletter("templates", "copy", "email/issue/body.txt", env=env)
    path = home / "own/email/issue/body.txt"
    path.write_text("Hello\n{{ nam }}\n", encoding="utf-8")
    for command in (("templates", "check"), ("issues", "preview"), ("issues", "send", "--now")):
        done = newsletter(*command, env=env)
        assert done.returncode == 1, command
        assert "own/email/issue/body.txt:2: the variable 'nam' does not exist here" in done.stderr
    assert not (home / "mail").exists()


def test_a_template_with_an_old_name_is_reported_before_anything_is_sent(newsletter: Command, home: Path) -> None:
    env = {"NEWSLETTER_TEMPLATES": "own"}
    newsletter("templates", "copy", "email/unsubscribed", env=env)
    (home / "own/email/unsubscribed").rename(home / "own/email/farewell")
    for command in (("templates", "check"), ("issues", "send", "--now")):
        done = newsletter(*command, env=env)
        assert done.returncode == 1, command
        assert "email/farewell is now email/unsubscribed" in done.stderr
        assert "Rename it in" in done.stderr
    assert not (home / "mail").exists()


def test_sentences_that_are_no_longer_used_are_counted(newsletter: Command, home: Path) -> None:
    (home / "own/texts").mkdir(parents=True)
    (home / "own/texts/fr.toml").write_text('"All tips" = "Toutes"\n"Forget me" = "Oubliez-moi"\n', encoding="utf-8")
    done = newsletter("templates", "check", env={"NEWSLETTER_TEMPLATES": "own"})
    assert done.returncode == 0
    assert "own/texts/fr.toml: 1 sentence no longer used, for example 'Forget me'." in done.stdout


def test_a_preview_shows_its_checks_and_opens_in_the_browser(newsletter: Command, home: Path) -> None:
    browser = home / "browser.sh"
    browser.write_text(f'#!/bin/sh\necho "$1" > {home}/opened\n', encoding="utf-8")
    browser.chmod(0o755)
    env = {"BROWSER": f"{browser} %s", "DISPLAY": os.environ.get("DISPLAY", "")}
    shown = json.loads(newsletter("issues", "preview", "--open", "--json", env=env).stdout)
    assert {check["level"] for check in shown["checks"]} == {"ok"}
    assert {"size", "contrast", "placeholders"} <= {check["id"] for check in shown["checks"]}
    page = Path(shown["page"])
    assert shown["subject"] in page.read_text(encoding="utf-8")
    assert (home / "opened").read_text(encoding="utf-8").strip() == page.as_uri()
