"""Random texts that are nearly valid: seeds with a few edits, and texts made of the words that readers look for."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

SEEDS = Path(__file__).parent / "seeds"
FIXTURES = Path(__file__).parents[1] / "fixtures"
BETWEEN = "\n%%\n"
# What breaks readers: ends of lines of all kinds, controls, directions, joiners, ligatures, and halves of pairs.
ODD = [
    "\0", "\r", "\n", "\r\n", "\t", " ", "\xa0", "\x85", "\u2028", "\x0b", "\x0c", "\x1b[31m", "\x7f", "\u200b", "\u202e",
    "\ufeff", "\ufffd", "\ufffe", "\U0001f600", "\u0301", "\u0130", "\xdf", "\ufb01", "\uff1d", "\u212a", "\U000e0041",
    "'", '"', "`", "\\", "/", "%", "%00", "%zz", "&", "&#0;", "&amp;", ";", ",", "|", "=", "+", "-", "@", "<", ">",
    "<!--", "-->", "<![CDATA[", "]]>", "<script>alert(1)</script>", "javascript:alert(1)", "onerror=", "{{", "}}", "{%",
    "${", "(", ")", "[", "]", "{", "}", "![", "](", "#", "*", "_", "~", ":", "?", "!", ".", "..", "...", "0", "-1",
    "1e999", "99999999999999999999", "0001-01-01", "9999-12-31", "31/31/9999", "24:60", "nan", "null", "~", "&a", "*a",
    "!!python/object:os.system", "<<", "---", "===", "\u0660", "\u00b2", "\u2460", "xn--", "xn--a", "\ud800",
]  # fmt: skip


def seeds(name: str) -> list[str]:
    """The seeds of one target: tests/fuzz/seeds/NAME.txt, separated by lines of two percent signs."""
    return (SEEDS / f"{name}.txt").read_text(encoding="utf-8").removesuffix("\n").split(BETWEEN)


def fixtures(*patterns: str) -> list[str]:
    """The texts of files in tests/fixtures, shortened."""
    found = [path for pattern in patterns for path in sorted(FIXTURES.glob(pattern))]
    return [path.read_text(encoding="utf-8", errors="replace")[:4_000] for path in found]


@st.composite
def mutated(draw: st.DrawFn, starts: list[str], words: list[str] | None = None, size: int = 6_000) -> str:
    """A seed with up to eight edits, or a row of pieces. words: pieces that mean something to the reader."""
    pieces = [*ODD, *(words or [])]
    piece = st.one_of(st.sampled_from(pieces), st.text(max_size=5))
    text = draw(st.sampled_from(starts)) if draw(st.integers(0, 9)) else "".join(draw(st.lists(piece, max_size=30)))
    for _ in range(draw(st.integers(0, 8))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        match draw(st.integers(0, 4)):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:start] + draw(piece) + text[end:]
            case 2:
                text = text[:start] + text[start:end] * draw(st.sampled_from([2, 3, 50, 300])) + text[end:]
            case 3:
                other = draw(st.sampled_from(starts))
                text = text[:start] + other[draw(st.integers(0, len(other))) :]
            case _:
                text = text[:start] + draw(piece) + text[start:]
    return text[:size]


def octets(text: str) -> bytes:
    """The text as a file may hold it; half a surrogate pair becomes a byte that is not UTF-8."""
    return text.encode("utf-8", "surrogatepass")
