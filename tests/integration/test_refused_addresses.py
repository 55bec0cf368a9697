"""A relay's bad hour suppresses nobody: refusals count when an issue ends, and only if it ends healthy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

import pytest

from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.delivery.outcome import Outcome
from newsletter.domain.errors import SenderError
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscriber import NewSubscriber
from newsletter.domain.subscribers.subscription import Status
from newsletter.testing import MemorySender, SentEmail, answer
from tests.support.library import TUESDAY, add_tip
from tests.support.publishing import AppHarness, open_app_harness, owner_emails, text_of

GONE = "550 5.1.1 no such user"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    with open_app_harness(tmp_path) as harness:
        yield harness


def scatter(number: int) -> int:
    """A number that looks random, the same in each run."""
    return int.from_bytes(blake2b(bytes([number]), digest_size=8).digest())


class Relay(MemorySender):
    """A relay whose refusals are of its own making: `refuse` gets the number of the email, from 1, and its address.

    Each reply has an id of its own, as Gmail, Exim, and Exchange write them, and takes a second.
    """

    def __init__(self, harness: AppHarness, stage: str = "rcpt", reply: str = GONE) -> None:
        super().__init__()
        self.refuse: Callable[[int, str], bool] = lambda _number, _address: False
        self._clock, self._stage, self._reply = harness.fake_clock, stage, reply

    def take(self, email: SentEmail) -> Outcome:
        outcome = super().take(email)
        self._clock.forward(seconds=1)
        number = len(self.tried)
        if not self.refuse(number, email.envelope.recipient):
            return outcome
        found = answer(self._stage, f"{self._reply}. {scatter(number):x} - gsmtp")
        assert not isinstance(found, SenderError)
        return found


def start(harness: AppHarness, addresses: Iterable[str]) -> None:
    for n in range(1, 4):
        add_tip(harness.files, f"Tip {n}")
    with harness.files.write() as tx:
        for n, address in enumerate(addresses):
            tx.subscribers.add(
                NewSubscriber(parse_address(address), "", f"k{n:015d}", Status.CONFIRMED, "test", signup_at=TUESDAY),
                TUESDAY,
            )
    assert harness.issues.publish_due()


def spread(number: int) -> list[str]:
    """Addresses at a dozen domains."""
    return [f"r{n}@d{n % 12}.example" for n in range(number)]


def next_week(harness: AppHarness) -> int:
    harness.fake_clock.forward(days=7 - harness.fake_clock.now.weekday() % 7 + 1)
    harness.fake_clock.now = harness.fake_clock.now.replace(hour=13, minute=0, second=0)
    issue = harness.issues.publish_due()
    assert issue
    return issue.number


@pytest.mark.parametrize(
    ("number", "reply", "stage"),
    [(3, GONE, "rcpt"), (5, GONE, "data"), (20, "550 no such user", "dot"), (50, GONE, "rcpt")],
)
def test_a_relay_that_knows_nobody_pauses_the_issue_and_suppresses_nobody(
    harness: AppHarness, number: int, reply: str, stage: str
) -> None:
    start(harness, spread(number))
    harness.sender_override = relay = Relay(harness, stage, reply)
    relay.refuse = lambda *_: True
    harness.round()

    assert harness.issue().state is IssueState.PAUSED
    assert (harness.counts(), harness.suppressed()) == ({"pending": number}, [])
    relay.refuse = lambda *_: False
    harness.issues.resume(1)
    assert (harness.issue().state, harness.counts()) == (IssueState.DONE, {"sent": number})


@pytest.mark.parametrize("number", [1, 2])
def test_a_list_of_one_or_two_is_not_lost_either(harness: AppHarness, number: int) -> None:
    start(harness, spread(number))
    harness.sender_override = relay = Relay(harness)
    relay.refuse = lambda *_: True
    harness.round()

    assert (harness.issue().state, harness.counts()) == (IssueState.DONE, {"rejected": number})
    assert harness.suppressed() == []
    (alert,) = [email for email in owner_emails(harness) if "received issue 1" in str(email["Subject"])]
    assert str(alert["Subject"]).endswith(f"None of {number} subscriber{'s' * (number > 1)} received issue 1")
    assert "no such user" in text_of(alert)
    assert "newsletter issues retry-failed 1" in " ".join(text_of(alert).split())

    harness.issues.retry_failed(1)
    harness.memory()
    harness.round()
    assert harness.counts() == {"sent": number}


@pytest.mark.parametrize(("number", "every"), [(20, 2), (5, 2), (50, 3), (10, 5)])
def test_refusals_of_a_share_of_the_list_suppress_nobody_even_after_resume(
    harness: AppHarness, number: int, every: int
) -> None:
    start(harness, spread(number))
    harness.sender_override = relay = Relay(harness)
    relay.refuse = lambda n, _: n % every == 0
    harness.round()
    while harness.issue().state is IssueState.PAUSED:
        harness.issues.resume(1)

    assert harness.issue().state is IssueState.DONE
    assert harness.counts()["rejected"] > 0
    assert harness.suppressed() == []
    harness.issues.retry_failed(1)
    harness.memory()
    harness.round()
    assert harness.counts() == {"sent": number}


def test_a_share_at_random_alarms_and_can_be_tried_again(harness: AppHarness) -> None:
    start(harness, spread(100))
    harness.sender_override = relay = Relay(harness)
    relay.refuse = lambda n, _: scatter(n) % 4 == 0
    harness.round()

    assert (harness.issue().state, harness.suppressed()) == (IssueState.DONE, [])
    number = harness.counts()["rejected"]
    subjects = [str(email["Subject"]) for email in owner_emails(harness)]
    assert any(subject.endswith(f"{number} addresses of issue 1 were refused as unknown") for subject in subjects)
    check = next(check for check in harness.doctor.check() if check.id == "last_issue")
    assert check.level == "warning"
    assert f"{number} addresses were refused as unknown and not suppressed" in check.message
    assert harness.suppressions.add_doubtful(1) == number, "the owner says that they do not exist"
    assert len(harness.suppressed()) == number
    assert harness.suppressions.remove_of_issue(1) == number
    assert harness.suppressed() == []


def test_a_relay_that_goes_bad_near_the_end_suppresses_only_what_was_refused_before(harness: AppHarness) -> None:
    start(harness, spread(100))
    harness.sender_override = relay = Relay(harness)
    relay.refuse = lambda n, _: n in (20, 54) or n > 92
    harness.round()

    assert harness.counts() == {"sent": 90, "rejected": 10}
    assert harness.suppressed() == ["r19@d7.example", "r53@d5.example"]
    number = next_week(harness)
    relay.refuse = lambda _, address: address == "r95@d11.example"
    harness.round(number)
    assert harness.suppressed() == ["r19@d7.example", "r53@d5.example", "r95@d11.example"], "one is really gone"


def test_a_domain_that_refuses_everybody_is_left_alone_and_everybody_else_gets_the_issue(harness: AppHarness) -> None:
    start(harness, [*(f"g{n}@gmail.example" for n in range(40)), *spread(60)])
    harness.sender_override = relay = Relay(harness)
    relay.refuse = lambda _, address: address.endswith("@gmail.example") or address == "r30@d6.example"
    harness.round()

    assert harness.counts() == {"sent": 59, "rejected": 41}
    assert harness.suppressed() == [], "41 of 100 is too much"
    assert any("41 addresses" in str(email["Subject"]) for email in owner_emails(harness))


def test_a_domain_that_stands_out_does_not_protect_the_others(harness: AppHarness) -> None:
    start(harness, [*spread(60), *(f"g{n}@gmail.example" for n in range(6)), *(f"s{n}@d1.example" for n in range(30))])
    harness.sender_override = relay = Relay(harness)
    relay.refuse = lambda _, address: address.endswith("@gmail.example") or address == "r30@d6.example"
    harness.round()

    assert harness.counts() == {"sent": 89, "rejected": 7}
    assert harness.suppressed() == ["r30@d6.example"]
    (alert,) = [email for email in owner_emails(harness) if "refused as unknown" in str(email["Subject"])]
    assert "6 of 6 emails to gmail.example were refused as unknown." in " ".join(text_of(alert).split())


def test_what_was_refused_survives_a_stop_and_counts_when_the_issue_ends(harness: AppHarness) -> None:
    start(harness, spread(12))
    harness.sender_override = relay = Relay(harness)

    def refuse(n: int, address: str) -> bool:
        if n == 3:
            harness.stop.set()
        return address == "r0@d0.example"

    relay.refuse = refuse
    harness.round()
    assert harness.counts() == {"sent": 2, "rejected": 1, "pending": 9}
    assert harness.suppressed() == []

    harness.stop.clear()
    harness.memory()
    harness.round()
    assert (harness.issue().state, harness.suppressed()) == (IssueState.DONE, ["r0@d0.example"])


def test_the_end_of_a_canceled_issue_counts_as_well(harness: AppHarness) -> None:
    start(harness, spread(30))
    harness.sender_override = relay = Relay(harness)

    def refuse(n: int, _address: str) -> bool:
        if n == 20:
            harness.stop.set()
        return n == 4

    relay.refuse = refuse
    harness.round()
    assert (harness.counts()["pending"], harness.suppressed()) == (10, [])
    harness.issues.cancel(1)

    assert harness.suppressed() == ["r3@d3.example"]


def test_whoever_was_heard_of_since_is_not_suppressed(harness: AppHarness) -> None:
    start(harness, spread(30))
    harness.sender_override = relay = Relay(harness)

    def refuse(n: int, address: str) -> bool:
        if n == 20:
            harness.subscribers.unsubscribe("r3@d3.example")
        return address in ("r3@d3.example", "r9@d9.example")

    relay.refuse = refuse
    harness.round()

    assert harness.suppressed() == ["r9@d9.example"]


def test_several_unhealthy_issues_in_a_row_suppress_nobody(harness: AppHarness) -> None:
    start(harness, spread(40))
    harness.sender_override = relay = Relay(harness)
    relay.refuse = lambda n, _: n % 4 == 0
    for number in (1, 2, 3):
        harness.round(number)
        while harness.issue(number).state is IssueState.PAUSED:
            harness.issues.resume(number)
        assert harness.suppressed() == []
        if number < 3:
            next_week(harness)


def test_a_list_that_an_older_version_lost_is_an_alarm(harness: AppHarness) -> None:
    start(harness, spread(5))
    harness.round()
    with harness.store.write() as tx:
        for address in spread(5):
            tx.suppressions.add(address, "hard_bounce", "issue 1", harness.clock())
    owner_emails(harness)
    harness.fake_clock.forward(days=7)
    assert harness.issues.publish_due() is None

    (alert,) = owner_emails(harness)
    assert str(alert["Subject"]).endswith("There is nobody to send the issue of March 12, 2024 to")
    words = " ".join(text_of(alert).split())
    assert "5 subscribers cannot be sent to" in words
    assert "newsletter suppressions remove --issue 1" in words
