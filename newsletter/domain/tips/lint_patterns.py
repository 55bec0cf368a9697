"""The rules of lint that are patterns: words that age, placeholders, links and pictures that work badly in an email."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from newsletter.domain.tips.pictures import OWN
from newsletter.domain.tips.season_rule import MONTHS


class Level(StrEnum):
    """How serious a finding is; the values are part of the JSON output."""

    ERROR = "fault"  # the tip must not be sent like this
    WARNING = "warning"  # it will read wrong, or it is bad for delivery
    NOTE = "note"  # it may be fine


@dataclass(frozen=True, slots=True)
class Pattern:
    """A rule that is a regular expression."""

    rule: str
    level: Level
    pattern: re.Pattern[str]
    reason: str
    suggestion: str
    in_quotes: bool = False  # applies within quotations too
    in_urls: bool = False  # applies within URLs too


def compile_words(words: str, *, case: bool = False) -> re.Pattern[str]:
    """A pattern for whole words only. case: upper and lower case matter."""
    return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", 0 if case else re.IGNORECASE)


LEFT_OVER = re.compile(
    # Django, Jinja, Handlebars · Mailchimp · ActiveCampaign, Salesforce · AWeber, HubSpot, Mailgun · shells and Ruby
    r"\{\{[^{}\n]{0,80}\}\}|\{%[^%\n]{0,80}%\}|\*?\\?\*\|[A-Za-z][\w:.-]{0,40}\|\\?\*|%%[A-Za-z][\w .-]{0,40}%%|\{!\w[\w .-]{0,40}\}"
    r"|%(?:recipient\.\w{1,40}|[A-Z][A-Z_]{2,40})%|[$#]\{[\w.]{1,40}\}|\{\$?\w{0,20}(?:name|email)\w{0,20}\}"
    r"|(?:\\?<){2}[ ]?[A-Za-z][\w .-]{0,40}(?:\\?>){2}"
    r"|(?<![\w-])(?:TODO|FIXME|TBD|TK(?:TK)*|XXX+)(?![\w-])|(?i:\blorem ipsum\b)"
)
"""What no email may contain: placeholders of any tool, and notes of an author to himself."""
_BRACKETS = re.compile(
    r"\\?\[\s*(?:insert\b[^\[\]\n]{0,40}|todo\b[^\[\]\n]{0,40}|[fl]?name|date|link|company|salutation"
    r"|(?:your|first|last|full|customer|client|guest|company|business|recipient|contact|user|city|subscriber)[ _-]?"
    r"(?:first|last|full|company|business)?[ _-]?(?:name|company|business|date|title|phone number|phone|link|address|email|here))\s*\\?\](?![(\[])",
    re.IGNORECASE,
)
_SHORTENERS = (
    "adf.ly amzn.to bit.do bit.ly bitly.com bl.ink buff.ly clck.ru conta.cc cutt.ly dlvr.it eepurl.com fb.me goo.gl hubs.la"
    " hubs.ly is.gd j.mp lnkd.in mcaf.ee ow.ly qr.ae rb.gy rebrand.ly s.id shorte.st shorturl.at snip.ly soo.gd su.pr t.co"
    " t.ly t2m.io tiny.cc tiny.one tinyurl.com trib.al u.to urlz.fr v.gd wp.me x.co"
)
SHORTENED = re.compile(
    rf"(?<![\w.-])(?:https?://)?(?:www\.)?(?:{'|'.join(map(re.escape, _SHORTENERS.split()))})/[\w-]+", re.IGNORECASE
)
_TAGS = (
    "a|abbr|address|article|aside|audio|b|big|blockquote|body|br|button|center|cite|code|dd|del|details|div|dl|dt|em|embed"
    "|figcaption|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|kbd|label|li|link|main|mark|meta"
    "|nav|object|ol|option|p|picture|pre|q|s|script|section|select|small|source|span|strike|strong|style|sub|summary|sup|svg"
    "|table|tbody|td|textarea|tfoot|th|thead|tr|u|ul|video|wbr"
)
_SPANS = "year|month|quarter|season|spring|summer|fall|autumn|winter"
_TIED_TO_A_TIME = ("it ties the tip to a particular time", "Use something that happens every week")
PATTERNS = (
    Pattern(
        "relative-time",
        Level.WARNING,
        compile_words(
            rf"(?:this|these|the) past (?:few |couple of |two |three )?(?:{_SPANS}|week|day|weekend)s?"
            rf"|(?<!the )(?<!than )(?<!as )last (?:{_SPANS}|week|weekend|{'|'.join(MONTHS)})(?! of)"
            rf"|(?:earlier|later|so far) this (?:{_SPANS}|week)|a (?:few|couple of) (?:months|weeks|days) ago"
        ),
        "it is relative to the day it was written, but subscribers read it on another day",
        "Write “once” or “one winter,” or leave it out",
    ),
    Pattern(
        "this-year",
        Level.NOTE,
        compile_words(r"(?:this|next) (?:year|spring|summer|fall|autumn|winter)"),
        "the tip may run again in another year or season",
        "Leave the time out, or give the tip a season",
    ),
    Pattern(
        "recency",
        Level.WARNING,
        compile_words(
            r"a recent (?:[\w’'-]+ ){0,4}?(?:article|study|survey|report|poll|post|book|news)|recently|lately|nowadays|these days|as of late|in recent (?:years|months|weeks|times|days)"
            r"|the upcoming|just (?:released|published|came out)|in today['’]s (?:world|economy|market|climate|environment)"
        ),
        "it refers to the time of writing, which will have passed",
        "Leave it out, or give the reason instead",
    ),
    Pattern(
        "relative-time",
        Level.NOTE,
        compile_words(r"(?:this|next) (?:month|quarter)|next week"),
        "it is relative to the day it was written, but subscribers read it on another day",
        "Write “once” or “one day,” or leave it out",
    ),
    Pattern(
        "currently",
        Level.NOTE,
        compile_words(r"currently|(?<!the )upcoming|at present|state[- ]of[- ]the[- ]art|cutting[- ]edge"),
        "it may no longer be true when the tip runs again",
        "Leave it out if the sentence works without it",
    ),
    Pattern(
        "event",
        Level.WARNING,
        compile_words(
            r"(?:the |this )?(?:presidential|midterm|general|upcoming) elections?|election (?:season|year)|inauguration"
            r"|COVID(?:-19)?|coronavirus|(?:the )?pandemic|lockdown|the recession"
        ),
        *_TIED_TO_A_TIME,
    ),
    Pattern(
        "event",
        Level.NOTE,
        compile_words(
            r"(?:(?:the|winter|summer) )?Olympics?(?: Games)?|(?:the )?World Cup|(?:the )?Super Bowl|(?:the )?World Series"
            r"|March Madness|elections?"
        ),
        *_TIED_TO_A_TIME,
    ),
    Pattern(
        "price",
        Level.NOTE,
        re.compile(
            r"(?:US)?[$€£]\s?\d[\d.,]*\d?(?:\s?(?:million|billion|k|K)\b)?|\b\d[\d.,]*\s?(?:dollars|euros|pounds sterling|USD|EUR)\b"
        ),
        "prices change, and currencies differ between countries",
        "Write what it means: “a week’s wages,” “as much as the repair”",
    ),
    Pattern(
        "technology",
        Level.NOTE,
        compile_words(
            r"fax(?:es|ed)?(?: machines?)?|pagers?|floppy disks?|CD-ROMs?|DVDs?|VHS|VCR|answering machines?|phone ?books?|Yellow Pages|beepers?"
            r"|BlackBerr(?:y|ies)|iPods?|iPhone \d+|Palm ?Pilots?|MySpace|Google\+|Skype|Windows (?:XP|Vista|\d+)|Twitter|tweet(?:s|ed)?|smart phones?|ChatGPT"
        ),
        "this technology or brand will age faster than the tip",
        "Write what it is for: “the message,” “the phone,” “the chat”",
    ),
    Pattern(
        "placeholder",
        Level.ERROR,
        LEFT_OVER,
        "it is a placeholder that was never filled in",
        "Fill it in or delete it",
        in_quotes=True,
    ),
    Pattern(
        "placeholder",
        Level.ERROR,
        _BRACKETS,
        "it is a placeholder that was never filled in",
        "Fill it in or delete it",
    ),
    # Within a quotation, it may be a sentence for the subscriber to use: “Hello, [customer name].”
    Pattern(
        "placeholder",
        Level.WARNING,
        _BRACKETS,
        "it looks like a placeholder that was never filled in",
        "Fill it in, or write a name as an example",
        in_quotes=True,
    ),
    Pattern(
        "attachment",
        Level.WARNING,
        compile_words(
            r"(?:see|find|open|read|use|download|complete) (?:the |our |your )?(?:attached|enclosed)|(?:is|are|I['’]ve|I have|we['’]ve|please find) (?:also )?(?:attached|enclosed)(?! to)"
            r"|(?:attached|enclosed) (?:is|are|you|file|PDF|document|form|picture|image|checklist|worksheet|below|please)|(?:the|this|see|an|your|our|my|email) attachments?(?! to)"
        ),
        "the email has no attachment",
        "Link to the file, or leave the sentence out",
    ),
    Pattern(
        "link-text",
        Level.WARNING,
        re.compile(
            r"(?<!!)\[[\s*_]*(?:(?:just |please )?(?:click|tap|press)(?: on)?(?: here| this| the link| below)?|(?:right |over )?here|this(?: (?:link|page|one|article|post|site))?|(?:the )?link|(?:read|learn|see|find out) more|more|details|website|hier|(?:klicken sie|klick) hier)[\s*_.…!:>»→]*\]\("
            r"|\bclick here\b(?![^\[\]\n]{0,80}\])",
            re.IGNORECASE,
        ),
        "the words of the link do not say where it leads, for example to somebody who hears them read aloud",
        "Link the words that say what is there: [the checklist for new guests](…)",
        in_quotes=True,
    ),
    Pattern(
        "shortened-url",
        Level.WARNING,
        SHORTENED,
        "spam filters distrust shortened URLs, and nobody can see where they lead",
        "Write the whole URL of the page",
        in_urls=True,
    ),
    Pattern(
        "picture-elsewhere",
        Level.ERROR,
        re.compile(r"!\[[^\[\]\n]{0,2000}\]\(\s*<?(?:https?:)?//[^\s()<>]{0,2000}", re.IGNORECASE),
        "the picture is on another site, which can change it, remove it, or count who opens the email",
        "Save the picture beside the Markdown file, write only its name here, and import the file again",
        in_urls=True,
    ),
    Pattern(
        "picture-missing",
        Level.ERROR,
        re.compile(
            rf"!\[[^\[\]\n]{{0,2000}}\]\((?!\s*<?(?:https?:)?//)(?!{OWN}\))[^()\n]{{0,2000}}\)|!\[[^\[\]\n]{{0,2000}}\]\[[^\[\]\n]{{0,200}}\]",
            re.IGNORECASE,
        ),
        "the picture was not taken in when the tip was imported",
        "Put a JPEG or PNG file beside the Markdown file, write ![a description](its-name.jpg), and import the file again",
        in_urls=True,
    ),
    Pattern(
        "picture-link",
        Level.WARNING,
        re.compile(
            r"(?<!!)\[(?:[^\[\]\\\n]|\\.){0,2000}\]\(\s*<?https?://[^\s()<>?#]{1,2000}\.(?:jpe?g|png|gif|webp)(?:[?#][^\s()<>]{0,500})?>?\s*\)",
            re.IGNORECASE,
        ),
        "it is a link to a picture, so the email does not show the picture",
        "Import the posts again with --pictures, or save the picture and put it into the tip as a file",
        in_urls=True,
    ),
    Pattern(
        "html",
        Level.ERROR,
        re.compile(
            rf"(?<!\\)</?(?:{_TAGS})(?=[\s/>])[^<>]{{0,4000}}>|(?<!\\)<!--|(?<!\\)!\[\[[^\[\]\n]{{1,400}}\]\]",
            re.IGNORECASE,
        ),
        "a tip is Markdown, so subscribers would see this code",
        "Delete it, or write it as Markdown: **bold**, *italic*, [a link](https://…), ![a picture](its-name.jpg); for an example of code, put it between backticks",
        in_quotes=True,
        in_urls=True,
    ),
    Pattern(
        "shouting",
        Level.WARNING,
        re.compile(r"\b[A-Z]{2,}(?:[ ,'’-]+[A-Z]{2,}){2,}\b"),
        "words in all caps read as shouting, and spam filters count them",
        "Write it in lowercase, or *emphasize* one word",
        in_quotes=True,
    ),
    Pattern(
        "image-alt",
        Level.WARNING,
        re.compile(
            r"!\[\s*\](?:\(|\[)[^)\n]*",
            re.IGNORECASE,
        ),
        "the image has no alt text for people who cannot see it or do not load images",
        "Describe the image in the square brackets: ![a queue of three people](…)",
        in_quotes=True,
    ),
)
