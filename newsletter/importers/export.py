"""Format a tip as a Markdown file with front matter, which `importers.markdown` reads back as the same tip."""

from __future__ import annotations

import json

from newsletter.domain.tips.pictures import as_exported
from newsletter.domain.tips.tip import TipText
from newsletter.importers.history_keys import history_lines


def to_markdown_file(text: TipText) -> str:
    """The front matter and the body. Empty keys are left out; `text.history` adds its own.

    Strings and lists are written as JSON, which is YAML too (YAML 1.2.2 section 1.2), so that nothing needs escaping twice.
    """
    rules = text.rules
    values: dict[str, object] = {
        "key": text.key,
        "title": text.title,
        "date": text.published_on,
        "categories": text.categories,
        "tags": text.tags,
        "takeaway": text.takeaway,
        "preview": text.preview,
        "teaser": text.teaser,
        "complete": None if text.complete else False,
        "season": rules.season,
        "series": rules.series,
        "part": rules.part,
        "rerun": rules.rerun,
        "months": rules.months,
        "fallback": rules.fallback or None,
        "starter": text.starter or None,
        "list": text.list_key,
    }
    lines = [f"{name}: {_yaml_value(value)}" for name, value in values.items() if value or value is False]
    return "\n".join(["---", *lines, *history_lines(text.history), "---", as_exported(text.body), ""])


def _yaml_value(value: object) -> str:
    if isinstance(value, (str, tuple, bool)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
