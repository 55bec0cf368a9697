"""Self-signed certificates for TLS tests, made for each run."""

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
    """A certificate for `localhost` and 127.0.0.1 in PEM format; `file` also serves as the certificate authority."""

    file: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """The TLS context of a server with this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


def make_certificate(folder: Path) -> Certificate:
    """Make one with `openssl`; if that is missing, the test is skipped, or fails with NEWSLETTER_TEST_ALL."""
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
