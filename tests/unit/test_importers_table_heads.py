"""The header rows of tables of tips, as people and other programs write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.domain.tips.tip import Rejected, TipText
from newsletter.importers import read


@pytest.mark.parametrize(
    "head", ["Titel;Inhalt;Datum", "Titre;Texte;Date", "Título;Contenido;Fecha", "Title;Post Body;Published On"]
)
def test_titles_in_other_languages_are_understood(tmp_path: Path, head: str) -> None:
    path = tmp_path / "tips.csv"
    path.write_text(f"{head}\nListen;Listen first.;2024-04-09\n", encoding="utf-8")
    (tip,) = read([path])
    assert isinstance(tip, TipText)
    assert (tip.title, tip.body, str(tip.published_on)) == ("Listen", "Listen first.", "2024-04-09")


def test_a_column_of_states_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "tips.csv"
    path.write_text("title,body,status\nListen,Listen first.,draft\n", encoding="utf-8")
    (found,) = read([path])
    assert isinstance(found, Rejected)
    assert "unknown columns: status; delete the rows of drafts and these columns" in found.reason
