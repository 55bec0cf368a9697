"""A transactional email is one of its list: it has its sender, its title, and its templates."""

from pathlib import Path

from newsletter.actions.owner.queue import alert_values
from newsletter.domain.lists import MailingList
from tests.support.web import FRIDAY, open_web_harness

OWNER = "owner@tips.example"


def test_an_email_of_a_list_is_from_that_list(tmp_path: Path) -> None:
    with open_web_harness(tmp_path) as site:
        own = {"title": "Business Advice", "from_": "Ben Advisor <advice@tips.example>"}
        advice = site.app.lists.add(MailingList(0, "advice", 0, own)).list
        alert = alert_values("One tip is missing", [], "")
        with site.app.store.write() as tx:
            tx.transactional.add("alert", OWNER, alert, FRIDAY)
            tx.transactional.add("alert", OWNER, {**alert, "list": advice.id}, FRIDAY)

        assert site.app.transactional.send() == 2

        first, second = site.emails()
        assert (first["From"], second["From"]) == (
            "Anna Beispiel <tips@tips.example>",
            "Ben Advisor <advice@tips.example>",
        )
        assert second["Return-Path"] == "<advice@tips.example>"
