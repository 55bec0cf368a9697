"""The freeze of a course, where each subscriber gets another tip, against the same freeze with one tip for everybody."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sqlite3
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from common import CHECKOUT, arguments, fill_in_a_process, interleaved, log, machine, measure, open_app, report, scratch

SLOT = date(2026, 12, 1)
NOW = datetime(2026, 12, 1, 13, tzinfo=UTC)
COURSE = 2
ISSUE = 10_000_001  # the first of the second list


def make_course(database: Path, tips: int) -> None:
    """A second list with the same subscribers, who are spread over its tips and got the one where they are last week."""
    before = f"{NOW - timedelta(weeks=1):%Y-%m-%d %H:%M:%S.000000}"
    with sqlite3.connect(database) as db:
        db.execute(
            "INSERT INTO mailing_list (id, key, position, title, order_by) VALUES (?, 'course', 2, 'Course', 'course')",
            (COURSE,),
        )
        columns = [row[1] for row in db.execute("PRAGMA table_info(tip)")]
        values = {
            "id": ":id",
            "list_id": str(COURSE),
            "key": ":key",
            "identity": ":key",
            "position": ":place",
            "title": ":key",
        }
        chosen = ", ".join(values.get(column, column) for column in columns)
        for place in range(1, tips + 1):
            db.execute(
                f"INSERT INTO tip SELECT {chosen} FROM tip WHERE id = 1",  # noqa: S608 - our own columns
                {"id": 100_000 + place, "key": f"step-{place}", "place": place},
            )
        db.execute(
            "INSERT INTO subscription (list_id, subscriber_id, status, signup_at, confirmed_at, last_tip_id)"
            " SELECT ?, subscriber_id, status, signup_at, confirmed_at,"
            " nullif(100000 + subscriber_id * 7919 % ?, 100000) FROM subscription WHERE list_id = 1",
            (COURSE, tips + 1),
        )
        db.execute(
            "INSERT INTO issue (id, list_id, slot, day, due_at, state, tip_id, tip_was, subject, secret, audience, reason,"
            " planned_at, started_at, done_at) VALUES (?, ?, ?, ?, ?, 'done', 100001, '', '', x'00', 0, '', ?, ?, ?)",
            (ISSUE, COURSE, SLOT - timedelta(weeks=1), SLOT - timedelta(weeks=1), before, before, before, before),
        )
        db.execute(
            "INSERT INTO delivery (issue_id, subscriber_id, state, attempts, crashes, last_at, reply, tip_id)"
            " SELECT ?, subscriber_id, 'sent', 1, 0, 1, 'dot 250 2.0.0 queued', last_tip_id FROM subscription"
            " WHERE list_id = ? AND last_tip_id IS NOT NULL",
            (ISSUE, COURSE),
        )
    db.close()


def freeze(database: Path, list_id: int) -> dict[str, float]:
    """Freeze an issue in a process of its own: what is needed to know its tips, and the transaction that freezes it."""
    from newsletter.actions.issues.audience import audience_for  # noqa: PLC0415 - this process must stay small
    from newsletter.domain.calendar.substitutes import SubstituteEmail  # noqa: PLC0415 - this process must stay small
    from newsletter.domain.delivery.issue import IssueEvent  # noqa: PLC0415 - this process must stay small

    app = open_app(database)
    store = app.store.of_list(list_id)
    with store.write() as tx:
        issue = tx.issues.plan(SLOT, NOW, NOW)
        tx.issues.change(issue.number, IssueEvent.PREPARE, NOW)
        tip = tx.tips.cards()[0].id
        tx.issues.bind(issue.number, tip, is_course=list_id == COURSE)
        issue = tx.issues.get(issue.number)
    began = time.perf_counter()
    with store.read() as tx:
        audience = audience_for(tx, app.rules, issue)
    emails = {key: SubstituteEmail(key, b"{}" * 5000) for key in audience.keys}
    chosen = time.perf_counter()
    with store.write() as tx:
        frozen = tx.issues.freeze(issue.number, "Subject", b"{}", NOW, others=emails, course=audience.course)
    done = time.perf_counter()
    app.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"choose": chosen - began, "freeze": done - chosen, "peak": peak, "emails": frozen, "tips": len(emails)}


def main() -> None:
    parser = arguments(__doc__ or "", subscribers=1_000_000, tips=200, rounds=3)
    options = parser.parse_args()
    where = machine()
    with scratch() as directory:
        whole, used = directory / "n.db", directory / "used.db"
        fill_in_a_process(whole, options.subscribers, directory / "email.eml")
        log(f"spreading them over {options.tips} tips")
        make_course(whole, options.tips)
        env = dict(os.environ) | {"PYTHONPATH": str(CHECKOUT)}

        def run(list_id: int) -> dict[str, float]:
            for file in directory.glob("used.db*"):
                file.unlink()
            shutil.copy(whole, used)
            command = [sys.executable, __file__, "--child", str(used), str(list_id)]
            figures: dict[str, float] = json.loads(measure(command, env).output)
            return figures

        names = {"one tip for everybody": 1, f"a course of {options.tips} tips": COURSE}
        found = interleaved(
            options.rounds, {name: (lambda number=number: run(number)) for name, number in names.items()}
        )
    base = found["one tip for everybody"]
    rows = [
        [
            name,
            f"{figures['freeze'] / base['freeze']:.1f} ×",
            f"{figures['freeze']:.1f}",
            f"{figures['choose']:.1f}",
            f"{figures['peak']:.0f}",
            f"{figures['emails']:,.0f}",
        ]
        for name, figures in found.items()
    ]
    head = ["issue", "freeze to the first", "freeze s", "choose s", "peak MiB", "emails"]
    report(f"{options.subscribers:,} subscribers", head, rows, where, markdown=options.markdown)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(freeze(Path(sys.argv[2]), int(sys.argv[3]))))
    else:
        main()
