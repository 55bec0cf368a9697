"""What root puts into a backup of somebody else's newsletter."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from newsletter.domain.errors import NewsletterError
from tests.integration.test_backups import Place


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users")
def test_root_puts_nothing_into_a_backup_that_the_owner_could_not_read(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    secret = tmp_path / "of root"
    secret.write_text("https://ping.example/secret")
    secret.chmod(0o600)
    place = Place(tmp_path / "home", "NEWSLETTER_SECRET_KEY=a-key-that-only-tests-have-0123456789\n")
    media = place.home / "data" / "media"
    media.mkdir()
    (media / "link.png").symlink_to(secret)
    for one in (place.home, *place.home.rglob("*")):
        os.chown(one, 65534, 65534, follow_symlinks=False)
    for parent in tmp_path.parents:  # pytest keeps its directories to itself
        if parent.stat().st_uid == 0 and parent.name.startswith(("pytest-", "popen-")):
            parent.chmod(0o755)
    with pytest.raises(NewsletterError, match=r"link\.png cannot be read by the owner"):
        place.backups.backup(tmp_path / "all.backup")
    (media / "link.png").unlink()
    place.env.write_text(place.env.read_text() + f'NEWSLETTER_PING_URL_FILE="{secret}"\n')
    with pytest.raises(NewsletterError, match="cannot be read"):
        place.backups.backup(tmp_path / "all.backup")
    assert os.geteuid() == 0
