"""The wheel contains everything that the program needs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
DATA = ("templates", "seeds")


def test_the_wheel_has_every_template_seed_module_and_the_license(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    done = subprocess.run(  # noqa: S603
        [*build, "--wheel-dir", str(tmp_path), str(CHECKOUT)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        contained = {name for name in wheel.namelist() if not name.endswith("/")}
    data = {
        f"newsletter/_data/{path.relative_to(CHECKOUT)}"
        for folder in DATA
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file()
    }
    code = {
        str(path.relative_to(CHECKOUT))
        for path in (CHECKOUT / "newsletter").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert data | code <= contained
    assert "newsletter/py.typed" in contained
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in contained)
    assert any(name.endswith("0001_first_storey.py") for name in contained)
