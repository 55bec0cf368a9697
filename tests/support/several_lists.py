"""A newsletter with three lists behind a real web server, and what a visitor does there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from newsletter.domain.lists import MailingList
from newsletter.domain.subscribers.subscriber import Consent
from tests.support.web import WebHarness, links_in, open_web_harness, text_of

ANNA = "anna@host.example"


@contextmanager
def three_lists(directory: Path) -> Iterator[WebHarness]:
    """Tips, advice, and a list that is not public."""
    with open_web_harness(directory, unsubscribe_email="always") as harness:
        own = {"title": "Business Advice", "from_": "Ben Advisor <advice@tips.example>", "schedule": "thu 09:00"}
        harness.app.lists.add(MailingList(0, "advice", 0, own))
        harness.app.lists.add(MailingList(0, "board", 0, {"title": "Board"}, public=False))
        yield harness


def sign_up(site: WebHarness, lists: object = None, address: str = ANNA, **more: str) -> int:
    fields = {"email": address, **({"list": lists} if lists is not None else {}), **more}
    return site.http.post("/subscribe", data=fields).status_code


def statuses(site: WebHarness, address: str = ANNA) -> dict[str, str]:
    """The status by the key of the list, for each list with a subscription."""
    with site.app.store.read() as tx:
        person = tx.subscribers.by_address(address)
        keys = {one.id: one.key for one in tx.lists.each(retired=True)}
        found = tx.subscribers.subscriptions(person.id) if person else []
        return {keys[one.list_id]: one.status.value for one in found}


def sent(site: WebHarness) -> list[tuple[str, str, str]]:
    """(From, subject, text) of what is sent now."""
    before = len(site.emails())
    site.app.transactional.send()
    return [(str(one["From"]), str(one["Subject"]), text_of(one)) for one in site.emails()[before:]]


def path_in(text: str, part: str) -> str:
    (url,) = {link.removeprefix("https://tips.example") for link in links_in(text) if part in link}
    return url


def join(site: WebHarness, *lists: str, address: str = ANNA) -> None:
    assert sign_up(site, list(lists), address) == 303
    ((_, _, text),) = sent(site)
    assert site.http.post(path_in(text, "/confirm/")).status_code == 200
    sent(site)


def consents(site: WebHarness) -> list[Consent]:
    with site.app.store.read() as tx:
        return list(tx.subscribers.consents(site.subscriber(ANNA).id))
