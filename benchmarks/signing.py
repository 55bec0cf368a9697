"""The cost of a DKIM signature (µs per email, including composing), compared with dkimpy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import dkim
from common import arguments, fill, interleaved, machine, open_app, report, scratch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from newsletter.actions.issues.compile import load_issue_emails
from newsletter.domain.delivery.delivery import Claim
from newsletter.keys import load_dkim

NOW = datetime(2025, 3, 4, 13, tzinfo=UTC)
CLAIMS = [Claim(1, n, f"k{n:015d}", f"user{n}@domain{n}.example", "Ada", "2025-03-04", 1, NOW) for n in range(1, 1001)]


def main() -> None:
    options = arguments(__doc__ or "", rounds=7, emails=300).parse_args()
    where, plain = machine(), (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    rsa = ("RSA", "s1", generate_private_key(65537, 2048).private_bytes(*plain).decode())
    edwards = ("ED25519", "s2", Ed25519PrivateKey.generate().private_bytes(*plain).decode())
    with scratch() as directory:
        fill(directory / "n.db", 1)
        app = open_app(directory / "n.db")
        number = app.publisher.publish_early(datetime.now(UTC)).number

        def ours(*keys: tuple[str, str, str]) -> Callable[[], dict[str, float]]:
            render_context = replace(app.render_context, dkim=load_dkim("tips.example", keys))
            issue_email = load_issue_emails(app.store, render_context, number, app.rules).by_tip_id[None]
            return lambda: timed(lambda n: issue_email.message(CLAIMS[n % 1000], NOW), options.emails)

        unsigned = load_issue_emails(app.store, app.render_context, number, app.rules).by_tip_id[None]

        def with_dkimpy(n: int) -> bytes:
            message = unsigned.message(CLAIMS[n % 1000], NOW)
            field: bytes = dkim.sign(
                message, b"s1", b"tips.example", rsa[2].encode(), canonicalize=(b"relaxed", b"relaxed")
            )
            return field + message

        contestants = {
            "unsigned": ours(),
            "RSA-2048": ours(rsa),
            "Ed25519": ours(edwards),
            "both": ours(rsa, edwards),
            "RSA-2048 by dkimpy": lambda: timed(with_dkimpy, max(10, options.emails // 20)),
        }
        medians = interleaved(options.rounds, contestants)
        app.close()
    base = medians["RSA-2048"]["µs"]
    rows = [[name, f"{found['µs'] / base:.2f} ×", f"{found['µs']:.0f}"] for name, found in medians.items()]
    report("One email", ["signed with", "to RSA-2048", "µs per email"], rows, where, markdown=options.markdown)


def timed(make: Callable[[int], bytes], emails: int) -> dict[str, float]:
    began = time.process_time()
    for number in range(emails):
        make(number)
    return {"µs": (time.process_time() - began) / emails * 1e6}


if __name__ == "__main__":
    main()
