"""Self-made certificates for TLS tests; made new each time, trusted by nobody else."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificate:
    """A certificate for `localhost` and 127.0.0.1, PEM; `file` is also its own authority."""

    file: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """What a server needs to show it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


def make_certificate(folder: Path) -> Certificate:
    """Make one with the `openssl` command; without it the test is skipped, or fails under NEWSLETTER_TEST_ALL."""
    openssl = shutil.which("openssl")
    if not openssl:
        missing = "needs the openssl command (Debian package openssl)"
        if os.environ.get("NEWSLETTER_TEST_ALL"):
            pytest.fail(missing)
        pytest.skip(missing)
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    subprocess.run(  # noqa: S603 - the arguments are ours
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", names, "-keyout", str(made.key), "-out", str(made.file)],
        check=True, capture_output=True,
    )  # fmt: skip
    return made
