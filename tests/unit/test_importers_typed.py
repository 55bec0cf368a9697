"""What editors and word processors write into Markdown files becomes Markdown; code stays as it is."""

from __future__ import annotations

import pytest

from newsletter.domain.tips.tip import TipText
from newsletter.importers.html.to_markdown import to_markdown
from newsletter.importers.markdown import parse
from newsletter.importers.typed import typed_markdown


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ('Look: <img src="pics/a queue.jpg" alt="A queue [long]" width=300> there.', r"Look: ![A queue \[long\]](<pics/a queue.jpg>) there."),
        ('<figure><img src="a.jpg" alt="A"><figcaption>At noon</figcaption></figure>', "![A](<a.jpg>)\n\nAt noon"),
        ('<picture><source srcset="b.webp"><img src="a.jpg" alt="A"></picture>', "![A](<a.jpg>)"),
        ("![[a queue.jpg|300]] ![[a.png|A queue]]", "![](<a queue.jpg>) ![A queue](<a.png>)"),
        ("![A queue][1]\n\n[1]: a.jpg", "![A queue](<a.jpg>)\n\n[1]: a.jpg"),
        ("![Queue][]\n\n[queue]: <a b.jpg>", "![Queue](<a b.jpg>)\n\n[queue]: <a b.jpg>"),
        ("![A](my queue (1).jpg)", "![A](<my queue (1).jpg>)"),
        ("![A](a.jpg){width=300} then", "![A](a.jpg) then"),
        ("One<br>two<br/>\nthree<br>\n\nfour<br>", "One\\\ntwo\\\nthree\n\nfour"),
        ("<!-- a note -->\nWords.", "Words."),
        ("Do this:\n•\tFirst\n▪ Second\no\tInside", "Do this:\n- First\n- Second\n  - Inside"),
    ],
)  # fmt: skip
def test_what_was_meant_is_written(typed: str, meant: str) -> None:
    assert typed_markdown(typed) == meant
    assert typed_markdown(meant) == meant, "a second import changes nothing"


@pytest.mark.parametrize(
    "text",
    [
        "Write `<img src=a.jpg>`, or \\<img src=a.jpg> in words.",
        "```\n<br>\n•\tFirst\n![[a.jpg]]\n```",
        'Words {width=300}, ![A](a.jpg "A title"), and a · b.',
        "![[a note]] and [[a.jpg]]",
        "o is a letter",
    ],
)
def test_code_and_other_text_stay_as_they_are(text: str) -> None:
    assert typed_markdown(text) == text


def test_a_tip_file_is_read_like_this() -> None:
    (tip,) = parse('---\ntitle: Look\n---\nLook.\n\n<img src="a.jpg" alt="A">\n', "look.md")
    assert isinstance(tip, TipText)
    assert tip.body == "Look.\n\n![A](<a.jpg>)"


def test_a_picture_that_the_page_loads_later_is_found() -> None:
    lazy = '<img src="data:image/gif;base64,R0lGOD" data-src="https://blog.example/a.jpg" alt="A">'
    assert to_markdown(f"<p>{lazy}</p>", pictures={}) == "![A](https://blog.example/a.jpg)"
