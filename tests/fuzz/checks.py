"""What must hold whatever the input is. Each check takes one input and raises AssertionError, or what the product raises."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache, partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from zoneinfo import ZoneInfo

from newsletter.actions.subscribers.import_subscribers import import_subscribers, read_lines
from newsletter.actions.tips.import_tips import import_tips
from newsletter.domain.archive.entries import plain, search_terms, teaser
from newsletter.domain.csv_records import SkippedLines
from newsletter.domain.delivery.outcome import Rejected, Stage
from newsletter.domain.errors import BadToken, InputError, NewsletterError, SettingsError, UsageError
from newsletter.domain.read_dates import Dates
from newsletter.domain.subscribers.address import address_key, masked_address, parse_address
from newsletter.domain.subscribers.csv_addresses import read_addresses
from newsletter.domain.subscribers.imported import ImportRequest, RejectedRow
from newsletter.domain.tips.rerun_rule import parse_months, parse_rerun
from newsletter.domain.tips.season_rule import parse_rule
from newsletter.domain.tips.tip import TipText
from newsletter.domain.written_dates import WrittenDates
from newsletter.importers import read
from newsletter.importers.export import to_markdown_file
from newsletter.importers.html.to_markdown import to_markdown
from newsletter.importers.markdown import parse
from newsletter.importers.typed import typed_markdown
from newsletter.mail.headers import mailbox
from newsletter.mail.replies import classify, is_about_us, parse_reply
from newsletter.mail.reply_words import about
from newsletter.mail.tokens import Purpose, Signer
from newsletter.mail.verp import read_envelope_sender, read_unsubscribe_address
from newsletter.rendering.markdown import to_html
from newsletter.rendering.text import to_text
from newsletter.senders.smtp.dialogue import Closing, Lost, ReplyReader
from newsletter.senders.url import parse_sender_urls
from newsletter.settings import load_settings
from newsletter.settings.env_reader import read_env
from newsletter.settings.reading import check as check_setting
from newsletter.settings.table import TABLE
from newsletter.store.sqlite.database import upgrade
from newsletter.store.transactions import SqlStore
from tests.fuzz.inputs import octets

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)
SIGNER = Signer(["a-key-that-only-tests-have"])
SECRET = "hunter2-only-tests-have-it"
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_ONE_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DANGER = re.compile(r"<script|<iframe|<object|<style|<svg|javascript:[^<]*[\"'] ?>|<[^<>\"]*\son\w+=", re.IGNORECASE)


def _no_controls(text: str, pattern: re.Pattern[str] = _ONE_LINE) -> None:
    found = pattern.search(text)
    assert not found, f"a control character in {text[max(0, found.start() - 20) : found.end() + 20]!r}"


def _has_words(error: NewsletterError, hides: str = "") -> None:
    assert error.message.strip(), "an error without words"
    assert not hides or hides not in str(error), error


def _explained(error: NewsletterError) -> None:
    _has_words(error)
    _no_controls(str(error), _CONTROLS)


# -- addresses -------------------------------------------------------------------------------------------


def check_address(text: str) -> None:
    """An address that is accepted is one line, the same again, and can be a header."""
    for _, one in read_addresses(text):
        with suppress(InputError):
            parse_address(one)
    try:
        found = parse_address(text)
    except InputError as error:
        _explained(error)
        return
    _no_controls(found.text)
    assert re.fullmatch(r"[^@\s<>,;:\"()\[\]]+@[^@\s<>,;:\"()\[\]]+", found.text), found
    assert parse_address(found.text) == found
    assert address_key(found.key) == found.key
    assert "\n" not in mailbox(found.text)
    assert "@" in masked_address(found.text)


# -- replies of mail servers -------------------------------------------------------------------------------


def check_reply(text: str) -> None:
    """Any bytes of a server are a reply with a meaning, or a lost connection; what is kept is one short line."""
    reader = ReplyReader()
    raw = octets(text)
    try:
        for start in range(0, len(raw), 700):
            reader.feed(raw[start : start + 700])
            while taken := reader.take():
                _check_one_reply(*taken)
    except (Lost, Closing) as error:
        _no_controls(str(error).replace("\t", " "))
    for code in (250, 421, 450, 550, 554, 999, 0):
        _check_one_reply(code, raw)
    about(text)


def _check_one_reply(code: int, text: bytes) -> None:
    for stage in Stage:
        reply = parse_reply(stage, code, text)
        _no_controls(reply.text)
        assert len(reply.text) <= 500
        is_about_us(reply)
        outcome = classify(reply)
        if code // 100 != 5:
            assert not isinstance(outcome, Rejected)


# -- texts of tips ---------------------------------------------------------------------------------------------


def check_markdown(text: str) -> None:
    """What subscribers see has no script and no control characters, in HTML and in the text part."""
    html = to_html(text)
    _safe(html)
    to_text(text)
    plain(text)
    search_terms(text)
    typed_markdown(text)
    if text.strip():
        teaser(TipText("T", text))


def check_html(text: str) -> None:
    """HTML of a blog becomes Markdown, and that becomes safe HTML again."""
    with suppress(InputError):
        made = to_markdown(text, pictures={})
        _safe(to_html(made))
        to_text(made)


def _safe(html: str) -> None:
    without_text = re.sub(r">[^<]*<", "><", html)
    found = _DANGER.search(without_text)
    assert not found, f"{found[0]!r} in {html[:2000]!r}"


# -- files ---------------------------------------------------------------------------------------------------------


@cache
def _store() -> SqlStore:
    path = Path(mkdtemp(prefix="newsletter-fuzz-")) / "newsletter.db"
    upgrade(path)
    return SqlStore(path)


def check_tips_file(name: str, text: str) -> None:
    """A file of tips yields tips and reasons; each tip is written as a file that is read as the same tip."""
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(octets(text))
        found = list(read([path]))
    tips = [piece for piece in found if isinstance(piece, TipText)]
    for tip in tips:
        _check_tip(tip)
    import_tips(_store(), found, queue=False, dry_run=True, now=NOW)


def _check_tip(tip: TipText) -> None:
    for line in (tip.title, tip.takeaway, tip.preview, *tip.categories, *tip.tags):
        _no_controls(line)
    _no_controls(tip.body, _CONTROLS)
    check_markdown(tip.body)
    # HTML and typed lists in a body become Markdown when the file is read for the first time.
    once = _read_again(replace(tip, key="the-key"))
    again = _read_again(_read_again(once))
    assert to_markdown_file(_read_again(again)) == to_markdown_file(again)


def _read_again(tip: TipText) -> TipText:
    written = to_markdown_file(tip)
    (found,) = parse(written, tip.source)
    assert isinstance(found, TipText), f"{found} from {written!r}"
    return found


def check_subscribers_file(text: str) -> None:
    """A file of subscribers is read or refused in words, and the rows that are not used are named."""
    rejected, skipped, keys = list[RejectedRow](), list[SkippedLines](), count()
    with TemporaryDirectory() as folder:
        path = Path(folder, "people.csv")
        path.write_bytes(octets(text))
        request = ImportRequest(
            confirmed_source="fuzz", dry_run=True, name=path.name, reject=rejected.append, skip=skipped.append
        )
        try:
            import_subscribers(
                _store(), SIGNER, read_lines(path), request, make_key=lambda: f"{next(keys):016}", now=NOW
            )
        except (InputError, UsageError) as error:
            _has_words(error)
    assert all(row.reason and row.line > 0 for row in rejected)


# -- settings ----------------------------------------------------------------------------------------------------------


def check_setting_value(field: str, text: str) -> None:
    """A value is read or refused in words, and a refused secret is not shown."""
    row = next(row for row in TABLE if row.field == field)
    given = text.replace("SECRET", SECRET)
    try:
        check_setting(row, given)
    except SettingsError as error:
        _has_words(error)
    with suppress(SettingsError):
        load_settings(
            {row.name: given, "NEWSLETTER_SECRET_KEY": SECRET} if field != "secret_key" else {row.name: given}
        )


def check_sender_url(text: str) -> None:
    """A sender URL is read or refused in words without its password, and shown without it."""
    given = text.replace("SECRET", SECRET)
    try:
        found = parse_sender_urls(given)
    except SettingsError as error:
        _has_words(error, hides=SECRET if re.search(r"://[^/@\s]*:SECRET@", text) else "")
        return
    for url in found:
        assert SECRET not in url.password or SECRET not in url.masked(), url.masked()
        for option in (url.rates, partial(url.get_integer, "timeout", 5), partial(url.get_seconds, "timeout", 5)):
            with suppress(SettingsError):
                option()


def check_env_file(text: str) -> None:
    """An env file is read or refused in words."""
    with TemporaryDirectory() as folder:
        path = Path(folder, ".env")
        path.write_bytes(octets(text))
        try:
            read_env(path)
            load_settings({}, path)
        except SettingsError as error:
            _has_words(error)


# -- tokens ------------------------------------------------------------------------------------------------------------


TOKENS = {SIGNER.sign(purpose, "k0000000000000001", "17") for purpose in Purpose}


def check_token(text: str) -> None:
    """No token passes that was not signed, and none for another purpose."""
    for purpose in Purpose:
        try:
            fields = SIGNER.open(purpose, text)
        except BadToken:
            continue
        assert text == SIGNER.sign(purpose, *fields), f"forged for {purpose}: {text!r}"
        assert text in TOKENS, f"forged for {purpose}: {text!r}"
    for reader in (read_envelope_sender, read_unsubscribe_address):
        with suppress(BadToken):
            found = reader(SIGNER, text)
            raise AssertionError(f"forged: {text!r} gave {found}")


# -- dates and rules ---------------------------------------------------------------------------------------------------


def check_date(text: str) -> None:
    """Both readers of dates and the readers of rules give a value or say no."""
    for dates in (Dates(), Dates(day_first=True)):
        day, moment = dates.day_of(text), dates.utc_of(text)
        assert day is None or date.min <= day <= date.max
        assert moment is None or moment.tzinfo is None
    written = WrittenDates(NOW, ZoneInfo("America/New_York"))
    for reader in (written.day, written.moment, parse_rule, parse_rerun, parse_months):
        try:
            reader(text)
        except NewsletterError as error:
            _has_words(error)
    with suppress(InputError):
        rule = parse_rule(text)
        assert parse_rule(rule.words()) == rule
    with suppress(InputError):
        rerun = parse_rerun(text)
        assert parse_rerun(rerun.words()) == rerun
