"""The catalogs: each translation has every sentence of every page and email, with the same placeholders, and no others."""

import ast
import re
import tomllib
from dataclasses import astuple, replace
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from newsletter.app import App
from newsletter.domain.calendar.forecast import Runway
from newsletter.domain.calendar.plan import Kind
from newsletter.domain.dates import DATE, TIME, UNKNOWN, moment_in_words, read_time
from newsletter.domain.errors import TemplateError
from newsletter.domain.slot_days import TEXTS, WEEKDAYS
from newsletter.domain.tips.lint import lint
from newsletter.domain.tips.season_rule import MONTHS, in_words
from newsletter.domain.tips.similarity import SimilarityIndex
from newsletter.domain.tips.tip import TipText
from newsletter.mail.recipient import format_join_date
from newsletter.rendering.catalogs import COMPOSED, date_form
from newsletter.rendering.emails import FOOTER, YEARS
from newsletter.rendering.translations import Translations, link, strong
from newsletter.settings import load_settings
from newsletter.web.errors import HEADINGS
from newsletter.web.owner_links import ACTION_TEXTS
from newsletter.web.unsubscribe import REASONS
from tests.support.languages import ENGLISH
from tests.support.samples import SITE

ROOT = Path(__file__).resolve().parents[2]
DIRS = [ROOT / "templates"]
CATALOGS = sorted((ROOT / "templates" / "texts").glob("*.toml"))
TRANSLATIONS = [path for path in CATALOGS if not path.stem.startswith("en")]
TEMPLATES = sorted([*ROOT.glob("templates/web/*.html"), *ROOT.glob("templates/email/*/*.*")])
PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
HIDDEN = re.compile(r"<style.*?</style>|<!--.*?-->|&\w+;|<!?[a-z/][^>]*>", re.DOTALL | re.IGNORECASE)
SPOKEN = re.compile(
    r'\b(?:alt|title|aria-label|placeholder|label)="([^"]*)"'
)  # attributes that somebody reads or hears
BAD_WORDS = """Recently, last year, this summer, it is currently so. The election and the Olympics. It cost $20. Send a fax.
TODO. Happy Easter! In 2024 we said so. See https://example.org/there and ![](clock.png).
See the attached form, and read it [here](https://bit.ly/a), next month. ![a](https://x.example/a.png)
Dear [name], “[name]”."""


def in_templates() -> set[str]:
    """Every constant that a template hands to `_`."""
    found = set()
    for file in TEMPLATES:
        tree = Environment(autoescape=True).parse(file.read_text(encoding="utf-8"))
        for call in tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "_" and isinstance(call.args[0], nodes.Const):
                found.add(call.args[0].value)
    return found


def in_code() -> set[str]:
    """The sentences that reach a template as values: reasons, answers to errors, problems with a field."""
    found = set()
    for name in (
        "web/errors.py",
        "web/preferences.py",
        "web/requests.py",
        "actions/subscribers/signup_limits.py",
        "actions/subscribers/subscribe.py",
        "actions/subscribers/preferences.py",
    ):
        tree = ast.parse((ROOT / "newsletter" / name).read_text(encoding="utf-8"))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if getattr(call.func, "id", "") in {"Answer", "InputError", "TooMany", "HTTPException"}:
                values = [*call.args, *(key.value for key in call.keywords)]
                found |= {arg.value for arg in values if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}
    owners = {said for words in ACTION_TEXTS.values() for said in astuple(words)}
    named = {*HEADINGS.values(), *REASONS.values(), *FOOTER, *YEARS.values(), *WEEKDAYS, *TEXTS, *MONTHS, *owners}
    return (found - {""}) | named


def leftovers(source: str) -> list[str]:
    """The English of a template that no catalog can translate."""
    tree = Environment(autoescape=True).parse(source)
    data = "\0".join(node.data for node in tree.find_all(nodes.TemplateData))
    seen = [*SPOKEN.findall(data), HIDDEN.sub(" ", data)]
    words = [word for text in seen for word in re.findall(r"(?<![\w/])[^\W\d_]{2,}", text)]
    said = {call.args[0] for call in tree.find_all(nodes.Call) if getattr(call.node, "name", "") == "_"}
    constants = [node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str) and node not in said]
    a_command = "newsletter "
    return words + [
        text for text in constants if re.search(r"[A-Z][a-z]|[a-z] [a-z]", text) and not text.startswith(a_command)
    ]


def as_shown(text: str) -> set[str]:
    """`answer_for` makes a sentence of an error's words."""
    return {text, f"{text[:1].upper()}{text[1:]}."}


@pytest.mark.parametrize("path", TRANSLATIONS, ids=lambda path: path.stem)
def test_a_translation_is_complete_and_has_nothing_else(path: Path) -> None:
    said = set(tomllib.loads(path.read_text(encoding="utf-8"))) - {COMPOSED}
    in_pages = in_templates()
    assert sorted(in_pages - said) == []
    assert sorted(text for text in in_code() if not as_shown(text) & said) == []
    known = in_pages | {shown for text in in_code() for shown in as_shown(text)}
    assert sorted(said - known - {DATE, TIME, UNKNOWN, "1,000"}) == []


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.stem)
def test_a_translation_has_the_placeholders_of_its_sentence(path: Path) -> None:
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    said = found.pop(COMPOSED) | found
    wrong = [
        text for text, other in said.items() if sorted(PLACEHOLDER.findall(text)) != sorted(PLACEHOLDER.findall(other))
    ]
    assert wrong == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: "/".join(path.parts[-3:]))
def test_no_template_has_text_outside_the_catalog(path: Path) -> None:
    assert leftovers(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>{{ n }} went <b>out</b>&nbsp;now</p>", ["went", "out", "now"]),
        ('<img alt="A clock" class="big logo"><!-- a note --><style>a { top: 0 }</style>', ["clock"]),
        ('{{ "Sign up" }}{{ _("Sign up") }} {{ "newsletter issues status 3" }}{{ " checked" if x }}', ["Sign up"]),
        ("{{ ('What comes' ~ n)|wrap }}", ["What comes"]),
        ("{# words for us #}{% for one in them %}{{ _('A {one}', one=one) }}{% endfor %} · …", []),
    ],
)
def test_text_outside_the_catalog_is_found(source: str, found: list[str]) -> None:
    assert leftovers(source) == found


# -- what is put together of parts -----------------------------------------------------------------


@pytest.fixture
def german() -> Translations:
    return Translations("de", DIRS)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("next in the queue, 1 more behind it", "der Nächste in der Reihe, 1 dahinter"),
        ("It can still be sent until Tuesday at 6:00 PM.", "Sie kann noch verschickt werden bis Dienstag um 18:00."),
        (
            "runs again: last sent January 7, 2025, 19 months ago",
            "läuft wieder: zuletzt am 7. Januar 2025, vor 19 Monaten",
        ),
        (
            "“May Day”, May 1, 2026, body, line 2: “$20”: prices change, and currencies differ between countries. Is it all right?",
            "„May Day“, 1. Mai 2026, Text, Zeile 2: „$20“: Preise ändern sich, und jedes Land hat sein eigenes Geld. Is it all right?",
        ),
        ("the issue for March 12, 2024 was missed", "die Ausgabe für den 12. März 2024 wurde verpasst"),
        ("skipped: a week at the sea", "ausgelassen: a week at the sea"),
        ("part 2 of 3 of Waiting, part 1 of 2", "Teil 2 von 3 von Waiting, part 1 of 2"),
        ("Read the {name}. It is [odd] (so).", "Read the {name}. It is [odd] (so)."),
    ],
)
def test_what_the_program_puts_together_is_told_by_its_shape(german: Translations, said: str, told: str) -> None:
    assert german.told(said) == told
    assert Translations("en", DIRS).told(said) == said


@pytest.mark.slow
def test_every_reason_of_ten_years_and_every_warning_is_told(german: Translations, tmp_path: Path) -> None:
    settings = load_settings({"NEWSLETTER_DATABASE_URL": f"sqlite:///{tmp_path}/db", "NEWSLETTER_SECRET_KEY": "x" * 32})
    app = App(settings, lambda: datetime(2026, 11, 1, tzinfo=UTC))
    app.database.upgrade()
    app.tips.import_files([ROOT / "seeds"], queue=True)
    lines = app.calendar.forecast(520)
    app.close()
    reasons = {line.reason for line in lines}
    assert {line.kind for line in lines} >= {Kind.FRESH, Kind.SEASONAL, Kind.SERIES, Kind.RERUN}
    assert [reason for reason in reasons if german.told(reason) == reason] == []
    for fresh, reruns in ((3, None), (1, 1), (0, 0), (2, 9), (0, 1)):
        warning = Runway(fresh, date(2026, 11, 3) if fresh else None, reruns).warning()
        assert not ENGLISH.search(german.told(warning))


def test_everything_that_lint_finds_is_told(german: Translations) -> None:
    other = TipText("The same words in the title", "A story that goes on for a while and says one thing. " * 30)
    tips = [
        TipText("THE SAME WORDS!!", f"{BAD_WORDS} {'word ' * 1000}"),
        TipText(f"Merry Christmas {'and ' * 20}", ""),
        TipText("The same words in the title", other.body, takeaway="Say it."),
    ]
    found = [
        finding for tip in tips for finding in lint(tip, today=date(2026, 1, 1), library=SimilarityIndex({"o": other}))
    ]
    assert len({finding.rule for finding in found}) >= 15
    said = {text for finding in found for text in (finding.reason, finding.suggestion)}
    assert sorted(text for text in said if german.told(text) == text) == []


def test_german_and_british_english_are_there() -> None:
    assert [path.stem for path in CATALOGS] == ["de", "en-GB"]


def test_a_variant_of_a_language_finds_it_and_an_unknown_one_is_english(tmp_path: Path) -> None:
    assert Translations("de-AT", DIRS).translate("Tuesday") == "Dienstag"
    assert Translations("tlh", DIRS).translate("Tuesday") == "Tuesday"
    assert (Translations("ar", DIRS).direction, Translations("de", DIRS).direction) == ("rtl", "ltr")


def test_the_owner_has_the_last_word(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "en.toml").write_text('"All tips" = "The whole pile"\n')
    words = Translations("en", [tmp_path, ROOT / "templates"])
    assert (words.translate("All tips"), words.translate("Sign up")) == ("The whole pile", "Sign up")


def test_values_are_escaped_in_html_and_markup_is_kept() -> None:
    words = Translations("en", [])
    said = words.translate_html("Go {where}, {who} & co", where=link("here", "/a?b=1&c=2"), who=strong("<i>Anna</i>"))
    assert said == 'Go <a href="/a?b=1&amp;c=2">here</a>, <strong>&lt;i&gt;Anna&lt;/i&gt;</strong> &amp; co'
    assert words.translate_html("{who}", who="<b>{x}") == "&lt;b&gt;{x}"
    assert words.translate("{who.__class__} {nobody}", who="Anna") == "{who.__class__} {nobody}"


# -- dates and times -------------------------------------------------------------------------------

MORNING, EVENING = datetime(2026, 12, 1, 8, 0, tzinfo=UTC), datetime(2026, 12, 1, 18, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "day", "morning", "evening"),
    [
        ("en", "December 1, 2026", "8:00 AM", "6:05 PM"),
        ("en-US", "December 1, 2026", "8:00 AM", "6:05 PM"),
        ("en-GB", "1 December 2026", "08:00", "18:05"),
        ("en-AU", "1 December 2026", "08:00", "18:05"),
        ("de", "1. Dezember 2026", "08:00", "18:05"),
        ("de-AT", "1. Dezember 2026", "08:00", "18:05"),
        ("tlh", "December 1, 2026", "8:00 AM", "6:05 PM"),
    ],
)
def test_dates_and_times_follow_the_language(language: str, day: str, morning: str, evening: str) -> None:
    dates = Translations(language, DIRS).dates
    assert dates == date_form(language, DIRS)
    assert (dates.day(MORNING.date()), dates.time(MORNING), dates.time(EVENING)) == (day, morning, evening)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "It can still be sent until Tuesday at 6:05 PM. Last sent December 1, 2026; seasonal: December 25."),
        ("en-GB", "It can still be sent until Tuesday at 18:05. Last sent 1 December 2026; seasonal: 25 December."),
    ],
)
def test_a_sentence_without_a_translation_still_gets_the_dates_of_its_language(language: str, told: str) -> None:
    said = f"It can still be sent until {moment_in_words(EVENING)}. Last sent {in_words(MORNING.date())}; seasonal: December 25."
    assert Translations(language, DIRS).told(said) == told


def test_every_time_is_read_as_it_was_written() -> None:
    times = [time(hour, minute) for hour in range(24) for minute in (0, 1, 30, 59)]
    assert [read_time(Translations("en", []).dates.time(at)) for at in times] == times
    assert (Translations("en", []).dates.time(time()), Translations("en", []).dates.time(time(12, 8))) == (
        "12:00 AM",
        "12:08 PM",
    )


@pytest.mark.parametrize("language", ["en", *(path.stem for path in CATALOGS)])
def test_the_day_somebody_joined_reads_as_every_other_day(language: str) -> None:
    days = [date(2026, month, month) for month in range(1, 13)]
    words = Translations(language, DIRS)
    site = replace(SITE, dates=words.dates)

    assert [format_join_date(day.isoformat(), site) for day in days] == [words.dates.day(day) for day in days]
    assert format_join_date("", site) == {"de": "vor einiger Zeit"}.get(language, "some time ago")


def test_an_owners_catalog_decides_how_dates_are_written(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "fr.toml").write_text(
        '"{month} {day}, {year}" = "{day} {month} {year}"\n"December" = "décembre"\n"8:00 AM" = "8 h 00"\n'
    )
    dates = Translations("fr-CA", [tmp_path, *DIRS]).dates
    assert (dates.day(MORNING.date()), dates.time(MORNING), dates.time(EVENING)) == (
        "1 décembre 2026",
        "8 h 00",
        "18 h 05",
    )


def test_a_variant_adds_to_its_language(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "de-AT.toml").write_text('"January" = "Jänner"\n')
    words = Translations("de-AT", [tmp_path, *DIRS])
    assert (words.dates.day(date(2026, 1, 2)), words.translate("Tuesday")) == ("2. Jänner 2026", "Dienstag")


def test_a_catalog_that_cannot_be_read_is_left_to_the_renderer_to_report(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "de.toml").write_text("not toml")
    assert date_form("de", [tmp_path, *DIRS]).day(MORNING.date()) == "December 1, 2026"
    with pytest.raises(TemplateError, match="the catalog cannot be read"):
        Translations("de", [tmp_path, *DIRS])
