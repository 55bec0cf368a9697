"""Find the call to action that ends an article, which becomes the takeaway of the tip."""

from __future__ import annotations

import re

from newsletter.domain.archive.entries import plain, sentences

MIN_BLOCKS = 3  # of an article: the closing needs a text to close
MAX_WORDS = 30
_STYLED = re.compile(r"(?:#{1,6} .+|\*\*(?:[^*]|\\\*)+\*\*|\*(?:[^*]|\\\*)+\*|> [^\n]+)\Z")
_LABEL = re.compile(
    r"(?:(?:the |your |my |key )*(?:takeaway|take-away|bottom line|action step|call to action|in short|in a nutshell))"
    r"\s*[:–—-]\s*(?=\S)",
    re.IGNORECASE,
)
_NO_SENTENCE = re.compile(r"[-+>|`#]|\d{1,9}[.)] |!?\[[^\]]*\]\([^)]*\)\Z|---")
_VERBS_WORDS = """accept acknowledge act adapt add address admit aim align allow answer anticipate apologize appreciate ask assess assume
    avoid balance be become begin believe blend bring build call care catch celebrate challenge change check choose clarify
    close coach collaborate commit communicate compliment confirm connect consider continue control convey count create cut
    deal decide define deliver design develop direct discover do document earn ease educate embrace empathize empower
    encourage engage ensure establish evaluate examine exceed expect explain explore express extend face find finish fix
    flash focus follow forget gain gather get give go greet grow guide handle have hear help hold honor identify imagine
    improve include increase inform initiate invest invite involve join keep know lead learn leave let leverage lift listen
    live look maintain make manage map measure meet mind minimize model monitor move name note notice nurture offer own
    partner pause pay personalize plan practice praise prepare prevent prioritize promise protect prove provide push put
    raise reach read recognize reduce reflect refuse reinforce rekindle remember remind remove repeat replace respect
    respond review reward save say schedule search see seek send serve set share shift show simplify slow smile solve speak
    spend stand start stay step stop strive structure support surprise sustain take talk teach tell thank think track train
    treat trust try turn uncover understand use value view visit walk watch welcome work write
    answer bake bear bend bow breathe cheer clean clear cook cross cut dare dig draw dress drop eat enjoy enter fill fold hand
    hang hire hit hurry imitate join judge jump knock label laugh lay lend lift light link list load lock lose lower mark mend
    mention mix nod open order pack pass pick place play point pour press print pull push quit quote reply report reset rest
    ring rinse rise run scan sell sign sing sit skip sleep sort sound spread stick stir stretch study swap sweep switch tap taste
    tend test tidy tie touch trade type wake wash wear weigh whisper win wipe wish wonder wrap"""
_VERBS = frozenset(_VERBS_WORDS.split())
_LEAD = re.compile(
    r"(?:(?:and|so|but|then|now|please|just|always|never|first|instead|today|tomorrow|next time|this week|from now on)\b,?\s+)*",
    re.IGNORECASE,
)
_PURPOSE = re.compile(
    r"(?:in order to|to|if|when|whenever|before|after|once|for|with|at|in|as)\b[^,:;]{2,120}[,:]\s+", re.IGNORECASE
)
_FIRST = re.compile(r"(?:(?P<auxiliary>don['’]t|do not|let['’]s|let us)\b\s*)?(?P<word>[A-Za-z]+)?", re.IGNORECASE)


def closing(blocks: list[str]) -> str:
    """The call to action in the last of these Markdown blocks, as plain text; "" if there is none that is set apart.

    It is set apart if it is a paragraph of one sentence below the text. It is a call to action if it says what to
    do, if the author made it bold, italic, or a heading, or if it is called "the bottom line" or similar.
    """
    if len(blocks) < MIN_BLOCKS or "\n" in blocks[-1] or "![" in blocks[-1]:
        return ""
    styled = bool(_STYLED.match(blocks[-1]))
    text = plain(blocks[-1])
    label = _LABEL.match(text)
    text = text[label.end() :] if label else text
    if not styled and _NO_SENTENCE.match(blocks[-1]):
        return ""
    if not 2 <= len(text.split()) <= MAX_WORDS or len(sentences(text)) != 1 or text.endswith((":", "…", "?", "]")):
        return ""
    if not styled and not text.endswith((".", "!", ".”", "!”")):
        return ""
    return text if label or styled or is_call(text) else ""


def is_call(sentence: str) -> bool:
    """Does the sentence say what to do, as in "To be heard, listen" or "Don't wait"?"""
    at = _LEAD.match(sentence)
    rest = sentence[at.end() :] if at else sentence
    purpose = _PURPOSE.match(rest)
    candidates = [rest] + ([rest[purpose.end() :]] if purpose else [])
    for candidate in candidates:
        after = _LEAD.match(candidate)
        first = _FIRST.match(candidate[after.end() :] if after else candidate)
        if first and (first["auxiliary"] or (first["word"] or "").lower() in _VERBS):
            return True
    return False
