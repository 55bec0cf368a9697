"""`newsletter run` as a child of the demo, which ends with it: `python -m newsletter.cli.demo.child ARGUMENT…`.

The demo holds the other end of our standard input. Closing a window or a `kill -9` ends the demo without a word to its
children, but it always closes that end.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from pathlib import Path

from newsletter.cli import main


def run(arguments: list[str]) -> int:
    """Run the command in the directory of a demo, which is deleted if the demo ended without stopping us."""
    orphaned = threading.Event()

    def watch() -> None:
        os.read(sys.stdin.fileno(), 1)  # nothing is ever written, so this returns when the demo has ended
        orphaned.set()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="demo", daemon=True).start()
    code = main(arguments)
    if orphaned.is_set():
        shutil.rmtree(Path.cwd(), ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
