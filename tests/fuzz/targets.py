"""The targets of a fuzzing session: for each reader, random inputs and the check that takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from newsletter.settings.table import TABLE
from tests.fuzz import checks, web
from tests.fuzz.inputs import fixtures, mutated, seeds


@dataclass(frozen=True)
class Target:
    """inputs: draws the arguments of `check`."""

    name: str
    inputs: st.SearchStrategy[tuple[Any, ...]]
    check: Callable[..., None]


def _texts(name: str, check: Callable[[str], None], *more: str, words: list[str] | None = None) -> Target:
    return Target(name, st.tuples(mutated([*seeds(name), *fixtures(*more)], words)), check)


def _files(kind: str, suffix: str, *more: str) -> Target:
    starts = [*seeds(kind), *fixtures(*more)]
    return Target(kind, st.tuples(st.just(f"file{suffix}"), mutated(starts)), checks.check_tips_file)


_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "accept",
                "content-type",
                "origin",
                "referer",
                "if-none-match",
                "if-modified-since",
                "x-forwarded-for",
                "x-forwarded-proto",
                "host",
                "content-length",
                "range",
                "cookie",
                "user-agent",
                "sec-fetch-site",
                "access-control-request-method",
                "accept-language",
                "transfer-encoding",
                "expect",
            ]
        ),
        mutated(seeds("headers"), size=400),
    ),
    max_size=4,
).map(tuple)
_REQUESTS = st.tuples(
    st.sampled_from(["GET", "POST", "POST", "HEAD", "OPTIONS", "PUT"]),
    st.builds(
        lambda path, query: f"{path}?{query}" if query else path,
        st.one_of(st.sampled_from(web.paths()), mutated(web.paths(), size=600)),
        st.one_of(st.just(""), mutated(seeds("queries"), [web.MARK], size=600)),
    ),
    _HEADERS,
    st.lists(mutated(seeds("bodies"), [web.MARK, "a" * 200]), max_size=3).map(tuple),
)

TARGETS = [
    _texts("address", checks.check_address),
    _texts("reply", checks.check_reply),
    _texts("markdown", checks.check_markdown),
    _texts("html", checks.check_html),
    _files("front_matter", ".md"),
    _files("tips_csv", ".csv"),
    _files("xml", ".xml", "tips/*.xml", "export/*.xml"),
    _files("page", ".txt", "tips/*.txt", "archive/*.txt"),
    _texts("subscribers_csv", checks.check_subscribers_file, "cases/subscribers/*.csv"),
    Target(
        "setting",
        st.tuples(st.sampled_from([row.field for row in TABLE]), mutated(seeds("setting"), size=1_000)),
        checks.check_setting_value,
    ),
    _texts("sender_url", checks.check_sender_url),
    _texts("env_file", checks.check_env_file),
    Target("token", st.tuples(mutated([*sorted(checks.TOKENS), *seeds("token")], size=400)), checks.check_token),
    _texts("date", checks.check_date),
    Target("web", _REQUESTS, web.check_request),
]
