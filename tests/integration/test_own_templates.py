"""A copy of every built-in template passes the check, as `newsletter templates copy` makes one."""

from __future__ import annotations

import shutil
from pathlib import Path

from newsletter.domain.site import Site
from newsletter.rendering.data import data_dir
from newsletter.rendering.template_check import builtin_templates, check_templates
from tests.support.web import open_web_harness

ANNA = "anna@host.example"


def test_a_copy_of_every_built_in_template_is_valid(tmp_path: Path) -> None:
    for name in builtin_templates():
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data_dir() / "templates" / name, target)
    check_templates(Site("Tips", "Tips", "tips@news.example", "https://news.example"), tmp_path)


def test_a_copy_of_an_older_template_keeps_its_variables(tmp_path: Path) -> None:
    for name, text in {
        "web/unsubscribed.html": "{% if thanks %}Thank you{% elif already %}Already{% endif %} {{ view.quarterly }}",
        "web/preferences.html": "{% for weeks in pauses %}{{ weeks }} {% endfor %}{{ weekday }} {{ earliest }}",
        "email/preview/subject.txt": "{{ slot | day }}: {{ title }}",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with open_web_harness(tmp_path / "data", templates=str(tmp_path)) as web_harness:
        check_templates(web_harness.app.site, tmp_path)
        web_harness.http.post("/subscribe", data={"email": ANNA})
        web_harness.http.post(web_harness.confirm_path(ANNA))
        assert web_harness.http.get(web_harness.preferences_path(ANNA)).text.startswith("4 8 12 Tuesday")
        link = web_harness.unsubscribe_path(ANNA)
        web_harness.http.post(link)
        assert web_harness.http.post(f"{link}/why", data={"reason": "other"}).text == "Thank you False"
