"""The public is_email test suites: the result for each case, and that accepted addresses survive a header."""

from __future__ import annotations

import csv
import json
from email import message_from_bytes, policy
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from newsletter.domain.subscribers.address import AddressProblem, BadAddress, parse_address
from newsletter.mail.headers import mailbox, named

HERE = Path(__file__).resolve().parents[1] / "fixtures/is_email"
SUITES = Path(__file__).resolve().parents[3] / "shared/is_email"
CASES: list[tuple[str, str]] = [(address, word) for address, word in json.loads((HERE / "cases.json").read_text())]
with (HERE / "numbered.csv").open(encoding="ascii", newline="") as _lines:
    NUMBERED = {(suite, int(number)): verdict for suite, number, verdict in csv.reader(_lines)}
BY_DIAGNOSIS = {
    "errNoDomain": {AddressProblem.NO_AT, AddressProblem.NO_DOMAIN},
    "errNoLocalPart": {AddressProblem.NO_NAME},
    "errDomainHyphenStart": {AddressProblem.HYPHEN},
    "errDomainHyphenEnd": {AddressProblem.HYPHEN},
    "rfc5321TLDNumeric": {AddressProblem.DOMAIN},
    "rfc5321TLD": {AddressProblem.ONE_LABEL},
    "rfc5321QuotedString": {AddressProblem.QUOTED},
    "rfc5321AddressLiteral": {AddressProblem.LITERAL},
    "rfc5322TooLong": {AddressProblem.TOO_LONG},
    "rfc5322LabelTooLong": {AddressProblem.LONG_LABEL, AddressProblem.ONE_LABEL},
}
REFUSED_ALTHOUGH_VALID = {"test@io"}


def verdict(address: str) -> AddressProblem | None:
    try:
        parse_address(address)
    except BadAddress as error:
        return error.problem
    return None


def test_the_suite_is_complete() -> None:
    assert len(CASES) == 185
    assert [sum(suite == name for suite, _ in NUMBERED) for name in ("tests", "tests-original")] == [164, 279]


@pytest.mark.parametrize(("address", "diagnosis"), CASES, ids=[f"{n}-{word}" for n, (_, word) in enumerate(CASES)])
def test_every_case_has_the_problem_that_its_diagnosis_implies(address: str, diagnosis: str) -> None:
    found = verdict(address)

    if diagnosis == "valid" or diagnosis.startswith("dnsWarn"):
        assert (found is None) is (address not in REFUSED_ALTHOUGH_VALID)
    elif verdict(address.strip()) is None:
        assert found is None
        assert parse_address(address).text == address.strip(), "only the white space around it was removed"
    else:
        assert found in BY_DIAGNOSIS.get(diagnosis, set(AddressProblem))


@pytest.mark.parametrize("address", [address for address, _ in CASES if verdict(address) is None])
def test_an_accepted_address_survives_a_header(address: str) -> None:
    taken = parse_address(address).text
    header = named("Jürgen, the subscriber", mailbox(taken), offset=4)
    read = message_from_bytes(f"To: {header}\r\n\r\n".encode(), policy=policy.default)["To"].addresses

    assert [one.addr_spec for one in read] == [mailbox(taken)]
    assert [one.display_name for one in read] == ["Jürgen, the subscriber"]
    assert parse_address(taken).text == taken, "parsing it again changes nothing"


@pytest.mark.parametrize("suite", ["tests", "tests-original"])
def test_the_numbered_problems_are_those_of_the_original_suite(suite: str) -> None:
    file = SUITES / f"{suite}.xml"
    if not file.is_file():
        pytest.skip(
            f"../shared/is_email/{suite}.xml is not here: it is test/{suite}.xml of github.com/dominicsayers/isemail"
        )
    found = {
        (suite, int(case.get("id", ""))): getattr(verdict(_readable(case.findtext("address"))), "name", "accepted")
        for case in ET.parse(file).getroot().iter("test")  # noqa: S314 - a trusted file
    }

    assert found == {key: word for key, word in NUMBERED.items() if key[0] == suite}


def _readable(text: str | None) -> str:
    """The suite writes a control character as U+2400 plus its number."""
    return "".join(chr(ord(char) - 0x2400) if 0x2400 <= ord(char) <= 0x2421 else char for char in text or "")
