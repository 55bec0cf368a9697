"""A tip as the Markdown file that `importers.markdown` reads back as the same tip; writes no file."""

from __future__ import annotations

import json

from newsletter.domain.tips.tip import TipText


def to_markdown_file(text: TipText) -> str:
    """Front matter and body. Texts stand in double quotes, which YAML and JSON read alike; what is empty is left out."""
    rules = text.rules
    values: dict[str, object] = {
        "key": text.key,
        "title": text.title,
        "date": text.published_on,
        "categories": text.categories,
        "tags": text.tags,
        "takeaway": text.takeaway,
        "teaser": text.teaser,
        "complete": None if text.complete else False,
        "season": rules.season,
        "series": rules.series,
        "part": rules.part,
        "rerun": rules.rerun,
        "months": rules.months,
        "fallback": rules.fallback or None,
    }
    lines = [f"{name}: {_yaml_value(value)}" for name, value in values.items() if value or value is False]
    return "\n".join(["---", *lines, "---", text.body, ""])


def _yaml_value(value: object) -> str:
    if isinstance(value, (str, tuple, bool)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
