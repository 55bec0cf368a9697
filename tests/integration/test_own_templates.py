"""A copy of every built-in template passes the check, as `newsletter templates copy` makes one."""

from __future__ import annotations

import shutil
from pathlib import Path

from newsletter.domain.site import Site
from newsletter.rendering.data import data_dir
from newsletter.rendering.template_check import builtin_templates, check_templates


def test_a_copy_of_every_built_in_template_is_valid(tmp_path: Path) -> None:
    for name in builtin_templates():
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data_dir() / "templates" / name, target)
    check_templates(Site("Tips", "Tips", "tips@news.example", "https://news.example"), tmp_path)
