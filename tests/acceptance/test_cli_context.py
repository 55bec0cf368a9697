import json
import re

import pytest

from tests.conftest import Command


def test_every_command_has_help_with_both_options(run_cli: Command) -> None:
    for words in ([], ["tips"], ["tips", "import"], ["issues", "send"], ["config", "show"]):
        for option in ("-h", "--help"):
            done = run_cli(*words, option)
            assert done.returncode == 0
            assert f"Usage: {' '.join(['newsletter', *words])}" in done.stdout


def test_the_command_alone_shows_help_and_it_has_a_version(run_cli: Command) -> None:
    assert "Usage: newsletter" in run_cli().stdout
    assert re.fullmatch(r"newsletter \d+\.\d+\.\d+\n", run_cli("--version").stdout)


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["isues"], "`issues`"), (["send"], "`issues send`"), (["tips", "lst"], "`list`"), (["tips", "list", "--jsn"], "--json"),
     (["unsubscribe"], "`subscribers unsubscribe`"), (["tips", "list", "--state", "frsh"], "fresh")],
)  # fmt: skip
def test_a_wrong_word_is_answered_with_the_closest_right_one(run_cli: Command, words: list[str], meant: str) -> None:
    done = run_cli(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert meant in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_error_is_one_line_and_has_a_traceback_only_with_vv(newsletter: Command) -> None:
    quiet = newsletter("tips", "show", "no-such-tip")
    assert quiet.returncode == 1
    assert quiet.stderr.startswith("newsletter: ")
    assert len(quiet.stderr.splitlines()) == 1
    loud = newsletter("-vv", "tips", "show", "no-such-tip")
    assert loud.returncode == 1
    assert "Traceback (most recent call last)" in loud.stderr


def test_common_options_work_before_the_noun_and_after_the_verb(newsletter: Command) -> None:
    before = newsletter("--json", "--env-file", ".env", "tips", "list")
    after = newsletter("tips", "list", "--env-file", ".env", "--json")
    assert json.loads(before.stdout) == json.loads(after.stdout)
    assert newsletter("tips", "list", "--env-file", "none.env").returncode == 2


def test_notes_go_to_stderr_and_only_json_to_stdout(newsletter: Command) -> None:
    done = newsletter("config", "show", "--json", env={"NEWSLETTER_TITEL": "x"})
    assert "did you mean NEWSLETTER_TITLE?" in done.stderr
    assert json.loads(done.stdout)["warnings"]


def test_an_old_name_of_a_setting_works_and_is_reported(run_cli: Command) -> None:
    done = run_cli("config", "show", "--json", env={"NEWSLETTER_COLOUR": "#4a3f8c"})
    assert done.returncode == 0
    assert done.stderr == ("newsletter: NEWSLETTER_COLOUR (environment) is deprecated: rename it to NEWSLETTER_COLOR\n")
    values = {row["name"]: row["value"] for row in json.loads(done.stdout)["settings"]}
    assert values["NEWSLETTER_COLOR"] == "#4a3f8c"


def test_a_bad_setting_is_a_usage_error(run_cli: Command) -> None:
    done = run_cli("issues", "next", env={"NEWSLETTER_LATE_WINDOW": "soon"})
    assert done.returncode == 2
    assert "NEWSLETTER_LATE_WINDOW cannot be used. Write a number and a unit" in done.stderr


def test_a_time_that_cannot_be_parsed_is_a_usage_error(newsletter: Command) -> None:
    done = newsletter("issues", "next", "--as-of", "soon")
    assert done.returncode == 2
    assert "is not a time" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(run_cli: Command, shell: str) -> None:
    done = run_cli("completion", shell)
    assert done.returncode == 0
    assert "_NEWSLETTER_COMPLETE" in done.stdout


def test_completion_knows_nouns_and_verbs(run_cli: Command) -> None:
    asked = {"_NEWSLETTER_COMPLETE": "bash_complete", "COMP_WORDS": "newsletter issues pre", "COMP_CWORD": "2"}
    assert "plain,preview" in run_cli(env=asked).stdout


def test_control_characters_do_not_reach_the_terminal(newsletter: Command) -> None:
    newsletter("suppressions", "add", "eve@tips.example", "--reason", "\x1b[31mred")
    assert "\x1b" not in newsletter("suppressions", "list").stdout
