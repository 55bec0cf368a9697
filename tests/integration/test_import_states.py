"""Who may get email, in the words of other tools and of people, and times in every order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from newsletter.actions.subscribers.import_rows import RowOptions, RowReader
from newsletter.domain.csv_records import SkippedLines
from newsletter.domain.errors import InputError
from newsletter.domain.read_dates import Dates
from newsletter.domain.subscribers.imported import RejectedRow, StagedSubscriber

NOW = datetime(2026, 11, 30, tzinfo=UTC)
ACTIVE, WAITS, LEFT, DEAD = "active", "unconfirmed", "unsubscribed", "cleaned"

# Title row; then the cells of one row behind the address, and the status that it must get.
TOOLS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "CleverReach": (
        "email;registered;activated;deactivated;bounced",
        [
            ("01.02.2020 10:00;01.02.2020 10:05;;", ACTIVE),
            ("01.02.2020 10:00;;;", WAITS),
            ("1580550000;1580550100;1617440000;", LEFT),
            ("1580550000;1580550100;0;04.05.2021", DEAD),
            ("1580550000;0;0;", WAITS),
        ],
    ),
    "rapidmail": ("E-Mail;Status", [("aktiv", ACTIVE), ("neu", WAITS), ("gelöscht", LEFT), ("Hardbounce", DEAD)]),
    "CiviCRM": (
        "Email,On Hold,Do Not Email,NO BULK EMAILS (User Opt Out)",
        [("No,No,No", ACTIVE), ("On Hold Bounce,No,No", DEAD), ("No,Yes,No", LEFT), ("No,No,Yes", LEFT)],
    ),
    "Mailman": ("Email,nomail", [("off", ACTIVE), ("[U]", LEFT), ("[B]", LEFT)]),
    "iContact": ("email,status,bounceCount", [("normal,0", ACTIVE), ("normal,3", WAITS), ("donotcontact,0", LEFT)]),
    "Klaviyo": (
        "Email,Email Marketing Consent,Email Suppressions,SMS Marketing Consent",
        [("SUBSCRIBED,[],UNSUBSCRIBED", ACTIVE), ("NEVER_SUBSCRIBED,[],", LEFT), ('SUBSCRIBED,"[""BOUNCED""]",', DEAD)],
    ),
    "GetResponse": ("email,Status,Opt-in", [("active,double", ACTIVE), ("unsubscribed,single", LEFT)]),
    "Buttondown": (
        "email_address,type,creation_date",
        [("past_due,2020-01-01", ACTIVE), ("churned,2020-01-01", ACTIVE), ("unactivated,2020-01-01", WAITS)],
    ),
    "Salesforce Marketing Cloud": ("Email Address,Status", [("Active", ACTIVE), ("Held", DEAD)]),
    "Constant Contact": (
        "Email address,Email status,Confirmed Opt-Out Date,Confirmed Opt-Out Source,Confirmed Opt-Out Reason",
        [("Active,,,", ACTIVE), ("Active,2021-01-01,Contact,no interest", LEFT)],
    ),
    "MailerLite": ("Subscriber,Status", [("active", ACTIVE), ("junk", DEAD)]),
    "Freshworks": (
        "Email,Subscription status,Subscription types",
        [("Subscribed,Newsletter", ACTIVE), ("Reported as spam,", DEAD)],
    ),
    "WordPress": ("user_email,role,newsletter", [("subscriber,yes", ACTIVE), ("subscriber,no", LEFT)]),
    "Eventbrite": ("Email,Attendee Status,Marketing opt-in", [("Attending,Yes", ACTIVE), ("Attending,No", LEFT)]),
    "Gravity Forms": (
        "Email,Consent (Consent),Consent (Text)",
        [("Checked,I agree", ACTIVE), ("Not Checked,", LEFT), (",", WAITS)],
    ),
    "a form": (
        "Email,Would you like our newsletter?",
        [("Yes please!", ACTIVE), ('"No, thanks"', LEFT), ("Yes", ACTIVE)],
    ),
    "Mailjet": (
        "Email,IsExcludedFromCampaigns,IsUnsubscribed,IsOptInPending,IsSpamComplaining",
        [
            ("false,false,false,false", ACTIVE),
            ("true,false,false,false", LEFT),
            ("false,false,true,false", WAITS),
            ("false,false,false,true", DEAD),
        ],
    ),
    "Zoho": ("Email,Email Opt Out,Unsubscribed Mode", [("false,", ACTIVE), ("false,Manual", LEFT)]),
    "phpList": (
        "Email,Is the email of this user confirmed,Disable this user",
        [("1,0", ACTIVE), ("0,0", WAITS), ("1,1", LEFT)],
    ),
    "Infomaniak": ("Adresse e-mail;Statut", [("Actif", ACTIVE), ("Désinscrit", LEFT), ("NPAI", DEAD)]),
    "French": ("Courriel;Adresse invalide", [("non", ACTIVE), ("oui", DEAD)]),
    "Spanish": ("Correo electrónico;Fecha de baja", [("", ACTIVE), ("01/02/2021", LEFT)]),
    "Dutch": ("E-mailadres;Uitschrijfdatum", [("", ACTIVE), ("01-02-2021", LEFT)]),
    "Portuguese": ("E-mail;Aceita e-mails", [("Sim", ACTIVE), ("Não", LEFT)]),
    "Polish": ("Email;Status", [("aktywny", ACTIVE), ("wypisany", LEFT), ("niepotwierdzony", WAITS)]),
    "Swedish": ("Epost;Status", [("prenumererar", ACTIVE), ("avregistrerad", LEFT)]),
    "Czech": ("E-mail;Stav", [("přihlášen", ACTIVE), ("odhlášen", LEFT)]),
    "Russian": ("Email;Статус", [("Активен", ACTIVE), ("Отписался", LEFT)]),
    "Japanese": ("email,ステータス", [("購読中", ACTIVE), ("解除", LEFT), ("エラー", DEAD)]),
    "Chinese": ("email,状态", [("已订阅", ACTIVE), ("已退订", LEFT)]),
    "by hand: send": ("Email,Send?", [("yes", ACTIVE), ("no", LEFT)]),
    "by hand: mailing": ("Email,Mailing", [("y", ACTIVE), ("n", LEFT)]),
    "by hand: on the list": ("Email,On the list", [("TRUE", ACTIVE), ("FALSE", LEFT)]),
    "by hand: wants": ("Email,Wants tips", [("x", ACTIVE), ("", WAITS)]),
    "by hand: OK to email": ("Email,OK to email", [("ok", ACTIVE), ("no", LEFT)]),
}


def read(text: str, *, file_name: str = "list.csv", dates: Dates | None = None) -> list[StagedSubscriber]:
    return list(reader(file_name, dates).read(text.splitlines(keepends=True)))


def reader(file_name: str = "list.csv", dates: Dates | None = None) -> RowReader:
    rejected: list[RejectedRow] = []
    keep: Callable[[object], object] = lambda _: None  # noqa: E731 - nothing is skipped here
    options = RowOptions(rejected.append, keep, lambda: "k", lambda _: False, NOW, file_name=file_name)
    options.dates = dates or Dates()
    return RowReader(options)


@pytest.mark.parametrize("tool", TOOLS)
def test_every_state_is_read(tool: str) -> None:
    titles, rows = TOOLS[tool]
    separator = ";" if ";" in titles else ","
    lines = [titles, *(f"r{at}@tips.example{separator}{cells}" for at, (cells, _) in enumerate(rows))]
    assert [row[5] for row in read("\n".join(lines))] == [status for _, status in rows]


@pytest.mark.parametrize(
    "note",
    [
        "unsubscribed 3/2021", "please remove from list", "STOP", "don't email", "Do not contact!", "no more emails",
        "take her off the list", "abgemeldet am 3.2.", "keine Mails mehr", "bitte löschen", "ne plus contacter",
        "dado de baja", "wil niet meer mailen", "bounced twice", "asked to be taken off the list", "wants out", "deceased",
        "no longer works here", "wrong address", "Adresse ungültig", "wil geen mail meer", "pediu para sair",
        "ne souhaite plus recevoir", "non vuole più", "nie chce", "vil ikke ha mail", "не хочет", "istemiyor", "配信停止",
    ],
)  # fmt: skip
@pytest.mark.parametrize("others", [3, 300])
def test_a_note_that_asks_for_no_email_stops_the_import(note: str, others: int) -> None:
    rows = "".join(f"r{at}@tips.example,met at fair {at}\n" for at in range(others))
    with pytest.raises(InputError, match=r"the column 'Notes'.*--ignore-column Notes"):
        read(f"Email,Notes\n{rows}left@tips.example,{note}\n")


@pytest.mark.parametrize(
    "note", ["Stop & Shop", "nonstop", "works for Removal Men Ltd", "customer since 2019", "no phone", "Notes on tips"]
)
def test_other_notes_do_not(note: str) -> None:
    assert len(read(f"Email,Notes\nok@tips.example,{note}\n")) == 1


@pytest.mark.parametrize(
    "name",
    ["unsubscribed_members_export_1.csv", "cleaned.csv", "Bounces 2024.csv", "suppression-list.csv", "opt-outs.csv",
     "Abgemeldete.csv", "do_not_email.csv", "nonsubscribed_email_audience_export.csv", "desuscritos.csv"],
)  # fmt: skip
def test_a_file_of_people_who_left_is_not_imported_as_subscribers(name: str) -> None:
    with pytest.raises(InputError, match="rename the file"):
        read("Email,Name\nleft@tips.example,L\n", file_name=name)
    assert read("Email,Status\nleft@tips.example,unsubscribed\n", file_name=name)[0][5] == LEFT


@pytest.mark.parametrize(
    ("text", "american", "european"),
    [
        ("04/09/2024", "2024-04-09 00:00:00", "2024-09-04 00:00:00"),
        ("4/9/2024 3:05 PM", "2024-04-09 15:05:00", "2024-09-04 15:05:00"),
        ("29/12/2024", "2024-12-29 00:00:00", "2024-12-29 00:00:00"),
        ("09.04.2024 10:00", "2024-04-09 10:00:00", "2024-04-09 10:00:00"),
        ("Apr 9, 2024", "2024-04-09 00:00:00", "2024-04-09 00:00:00"),
        ("9 April 2024 10:00 UTC", "2024-04-09 10:00:00", "2024-04-09 10:00:00"),
        ("Tue, 09 Apr 2024 10:00:00 -0400", "2024-04-09 14:00:00", "2024-04-09 14:00:00"),
        ("2024/04/09 10:00:00", "2024-04-09 10:00:00", "2024-04-09 10:00:00"),
        ("2024-04-09 10:00:00 UTC", "2024-04-09 10:00:00", "2024-04-09 10:00:00"),
        ("1712656800", "2024-04-09 10:00:00", "2024-04-09 10:00:00"),
        ("1712656800000", "2024-04-09 10:00:00", "2024-04-09 10:00:00"),
    ],
)
def test_times_are_read_as_people_and_tools_write_them(text: str, american: str, european: str) -> None:
    for dates, expected in ((Dates(), american), (Dates(day_first=True), european)):
        (row,) = read(f'email,created_at\nok@tips.example,"{text}"\n', dates=dates)
        assert row[6] == f"{expected}.000000"


def test_a_time_that_cannot_be_read_is_named_with_its_column_and_line() -> None:
    rows = reader()
    text = (
        "email,created_at\na@tips.example,2024-01-02\nb@tips.example,soon\nc@tips.example,99/99/2024\nd@tips.example,\n"
    )
    assert [row[6] is None for row in rows.read(text.splitlines(keepends=True))] == [False, True, True, True]
    (unread,) = rows.unread.values()
    assert (unread.column, unread.line, unread.text, unread.count) == ("created_at", 3, "soon", 2)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "1900-01-01", "1970-01-01", "9999-12-31T23:59:59"])
def test_times_at_the_edges_of_the_calendar_are_no_times(text: str) -> None:
    rows = reader()
    (row,) = rows.read(["email,created_at,confirmed_at\n", f"ok@tips.example,{text},{text}\n"])
    for time in (row[6], row[7]):
        assert time is None or time == "2026-11-30 00:00:00.000000", "a future time is the time of the import"


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2027-01-01", "2027-01-01 00:00:00.000000"),
        ("1/31/2027", "2027-01-31 00:00:00.000000"),
        ("9999-12-31", "2999-12-31 00:00:00.000000"),
        ("9999-12-31T23:59:59.999999", "2999-12-31 00:00:00.000000"),
        ("", None), ("forever", None), ("0001-01-01", None), ("0000-00-00", None), ("10000-01-01", None),
        ("9999-12-31T23:59:59-12:00", None),
    ],
)  # fmt: skip
def test_a_pause_has_an_end_that_can_be_shown_or_its_row_is_named(text: str, end: str | None) -> None:
    """Whoever is paused is never taken for active."""
    rejected: list[RejectedRow] = []
    rows = reader()
    rows.options.reject = rejected.append
    found = rows.read(["email,status,paused_until\n", f"ok@tips.example,paused,{text}\n", "b@tips.example,active,\n"])
    assert [(row[2], row[9]) for row in found] == [("ok@tips.example", end)] * bool(end) + [("b@tips.example", None)]
    assert [one.line for one in rejected] == [2] * (not end)


def test_a_tool_that_says_paused_and_no_end_has_its_rows_named() -> None:
    rejected: list[RejectedRow] = []
    rows = reader()
    rows.options.reject = rejected.append
    found = rows.read(["email,status\n", "a@tips.example,Paused\n", "b@tips.example,active\n"])
    assert ([row[2] for row in found], [one.line for one in rejected]) == (["b@tips.example"], [2])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_title_above_the_header_row_is_skipped_and_named(separator: str) -> None:
    skipped: list[SkippedLines] = []
    rows = reader()
    rows.options.skip = skipped.append
    lines = [
        "Subscribers, November 2026" if separator != "," else "Subscribers",
        "",
        "Name,Email,Status",
        "A,ok@tips.example,left",
    ]
    text = "\n".join([*lines[:2], *(line.replace(",", separator) for line in lines[2:])])
    assert [(row[2], row[5]) for row in rows.read(text.splitlines(keepends=True))] == [("ok@tips.example", LEFT)]
    assert [(part.first, part.last) for part in skipped] == [(1, 2)]


@pytest.mark.parametrize(
    ("title", "yes", "no"),
    [
        ("Kein Newsletter", LEFT, ACTIVE), ("No consent", LEFT, ACTIVE), ("Unmailable", LEFT, ACTIVE),
        ("Newsletter abgelehnt", LEFT, ACTIVE), ("I disagree", LEFT, ACTIVE), ("Non-subscriber", LEFT, ACTIVE),
        ("配信不可", LEFT, ACTIVE), ("DNC", LEFT, ACTIVE), ("Deceased", LEFT, ACTIVE), ("Remove?", LEFT, ACTIVE),
        ("Unconfirmed", WAITS, ACTIVE), ("Not verified", WAITS, ACTIVE), ("Nicht bestätigt", WAITS, ACTIVE),
        ("Mail?", ACTIVE, LEFT), ("Consent to email", ACTIVE, LEFT), ("Samtykke", ACTIVE, LEFT), ("Согласие", ACTIVE, LEFT),
    ],
)  # fmt: skip
def test_a_title_with_a_negation_turns_the_answer_round(title: str, yes: str, no: str) -> None:
    found = read(f"Email,{title}\na@tips.example,yes\nb@tips.example,no\n")
    assert [row[5] for row in found] == [yes, no]


@pytest.mark.parametrize(("title", "cell"), [("", "x"), ("配", "no"), ("Subscription ends", "2021-03-01")])
def test_an_answer_to_a_question_that_nobody_can_read_stops_the_import(title: str, cell: str) -> None:
    with pytest.raises(InputError, match="seems to say who may get email"):
        read(f"Email,{title}\na@tips.example,\nb@tips.example,{cell}\n")


@pytest.mark.parametrize(
    ("titles", "encoding"),
    [("Имя;Email;Статус", "cp1251"), ("名前;Email;状態", "shift_jis"), ("Όνομα;Email", "cp1253")],
)
def test_an_alphabet_that_cannot_be_read_stops_the_import(titles: str, encoding: str) -> None:
    lines = f"{titles}\nA;a@tips.example;x\n".encode(encoding).decode("utf-8", "surrogateescape")
    with pytest.raises(InputError, match=r"text of this file cannot be read.*save it as CSV UTF-8"):
        read(lines)


def test_the_header_row_again_is_skipped() -> None:
    rows = read("Email,Status\na@tips.example,active\nEmail,Status\nb@tips.example,unsubscribed\n")
    assert [row[5] for row in rows] == [ACTIVE, LEFT]


def test_another_header_row_stops_the_import() -> None:
    with pytest.raises(InputError, match="a second table begins here, with other columns: Email, Unsubscribed"):
        read("Email,Subscribed\na@tips.example,yes\nEmail,Unsubscribed\nb@tips.example,yes\n")


@pytest.mark.parametrize("first", ["", "# our list\n", "email\n"])
def test_a_line_of_a_list_that_is_crossed_out_is_no_address(first: str) -> None:
    assert [row[2] for row in read(f"{first}a@tips.example\n#b@tips.example\n-c@tips.example\n")] == ["a@tips.example"]
