"""What the words of a refusal are about: our quota, our address, their mailbox, or this message.

Relays and mailbox providers give the same code for very different things, so the words decide where they contradict the
code. The words are those of the providers' own pages, which the tests in `tests/unit/test_reply_words.py` name:
Gmail (support.google.com/a/answer/3726730), Microsoft 365 (learn.microsoft.com, "NDR error codes in Exchange Online"),
Yahoo (senders.yahooinc.com/smtp-error-codes), Amazon SES ("SMTP response codes"), Postfix, Exim and cPanel, and others.
Every pattern is linear: a text has at most 500 characters, and no repetition is longer than 60.
"""

from __future__ import annotations

import re
from enum import StrEnum


class About(StrEnum):
    """What a refusal is about, by its words alone."""

    QUOTA = "quota"  # how much we may send: it works later
    FULL = "full"  # the mailbox is full
    US = "us"  # our address, our sign-in, our reputation, or our content
    SIZE = "size"  # the message is too large
    NOBODY = "nobody"  # there is no such mailbox or host
    CLOSED = "closed"  # the mailbox exists, or did, and takes nothing
    POLICY = "policy"  # a rule that is not named: taken as one about us unless other words say more
    UNKNOWN = ""


_URL = re.compile(r"https?://\S+|www\.\S+")
_NAME = re.compile(r"<[^<>]{0,254}>|[^\s<>@]{1,64}@[^\s<>]{1,190}|\b(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}\b")
_BLOCK_LIST = re.compile(
    r"spamhaus|spamcop|barracuda|sorbs|uceprotect|abusix|surbl|dnsbl|invaluement|senderscore|mailspike|spamrl|cloudmark"
)


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_EVERY = r"(?:per|an|each|every|/) ?(?:second|minute|hour|day|week|month)|hourly|daily|weekly|monthly|24 ?(?:h\b|hours)"
_MAILBOX = r"(?:user|recipient|mailbox|mail ?box|mail-box|account|address|addressee|alias|local part|destination|inbox)"
_UNKNOWN = (
    r"(?:unknown|not known|not found|notfound|no longer|does ?n[o']t exist|does not exist|not exist|doesn.t exist"
    r"|nonexist|non-exist|inexist|invalid|not valid|undeliverable|not recogni[sz]ed|unavailable|not available"
    r"|not listed|not here|not have an|unroute?able|could not be found|cannot be found|can't be found)"
)

# The order decides: the first rule that fits wins. What is about us comes before what is about the mailbox, because a
# subscriber who is wrongly kept costs one refused email a week, and one who is wrongly suppressed is lost.
_RULES: tuple[tuple[About, re.Pattern[str]], ...] = (
    (
        About.QUOTA,
        _any(
            rf"(?:limit|quota|maximum|max|exceed|too many|allowance|threshold|cap\b).{{0,60}}(?:{_EVERY})",
            rf"(?:{_EVERY}).{{0,60}}(?:limit|quota|exceed|allowance|threshold)",
            r"(?:send|sending|sent|outgoing|outbound|submission|smtp|message|messages|e?-?mails?|rate|relay|plan) ?-?(?:rate |message |mail )?"
            r"(?:limit|quota)s?\b.{0,30}(?:exceed|reached|hit|over)",
            r"(?:exceed|reach|hit|over)\w*.{0,40}(?:sending|outgoing|outbound|submission|plan|message|rate|sender)[ -]?(?:rate )?(?:limit|quota)",
            r"send(?:ing)?[ -](?:rate|limit|quota)|(?:sending|receiving) mail (?:too|at a rate)|limit for sending",
            r"submissionquota|message rate|mail rate|rate[ -]?(?:limit|control)|throttl|slow down",
            r"too many (?:messages|mails|e-?mails|recipients|connections|sessions|requests|concurrent)",
            r"(?:number of|limit of) .{0,30}(?:exceed|reached)|sent too (?:much|many)|(?:plan|credits?|balance|volume) .{0,30}(?:exhaust|used up|exceed)",
            r"(?:tages|stunden|versand|sende)-?(?:limit|kontingent|grenze)|(?:pro|je) (?:tag|stunde|minute).{0,40}(?:erreicht|überschr)",
            r"maximale anzahl .{0,40}(?:erreicht|überschr)|(?:quota|limite?) (?:journali|horaire|quotidien|d'envoi)|par (?:jour|heure)\b",
            r"l[ií]mite (?:diari|por hora|de env|giornalier|orari|di invi)|(?:limite|quota) di[aá]ri[oa]\b|daglimiet",
            r"tenant has exceeded|(?:insufficient|not enough|no|out of|maximum)(?: \w+)? credits?\b",
        ),
    ),
    (
        About.US,  # the certain words; POLICY below has the doubtful ones
        _any(
            r"authentication (?:is )?required|not authenticated|unauthenticated|must authenticate|need to authenticate",
            r"authenticat\w+ (?:checks? )?(?:failed|failure|credentials|information)|credentials|sign in|log ?in first",
            r"(?:absender|exp[ée]diteur|[ée]metteur|remitente|mittente|remetente|afzender|nadawc|avsändar|afsender|lähettäj)",
            r"(?:tls|ssl|login|log-in|logon|encryption) (?:is )?required|pop before smtp|(?:you )?must (?:first )?(?:log ?in|sign in|use)\b|api key",
            r"\b(?:invoice|unpaid|subscription for|upgrade|free (?:plan|account|tier)|trial|billing|payment)\b|verified (?:recipient|address)",
            r"(?:outgoing|outbound) (?:e?-?mails?|messages?|relay|smtp)|sending (?:is |has been |was )?(?:not |un)?(?:enabled|disabled|suspended|paused|blocked|permitted|allowed)",
            r"(?:not )?(?:permitted|allowed|authori[sz]ed|enabled|entitled) to (?:send|relay|submit)|allowed senders|your (?:e-?mail )?address\b",
            r"unknown (?:client|host\b.{0,20}connect)|(?:client|connecting) (?:host|ip|address)|connection from|(?:your|client) (?:reverse )?host ?name|reverse (?:lookup|hostname)",
            r"(?:for|from) (?:this|your) (?:ip|host|server|network)|not (?:found )?in (?:your|the|this) (?:account|list of allowed|plan)|not found in account",
            r"smtp auth|\b(?:spf|dkim|dmarc|arc)\b|starttls|must use tls|not signed",
            r"relay(?:ing)? (?:access )?(?:is )?(?:denied|not permitted|not allowed|prohibited|refused|forbidden)",
            r"not permitted to relay|unable to relay|cannot relay|(?:do not|don't|won't) relay|no relay|rcpthosts|open relay",
            r"sender(?:'s)?(?: e?-?mail)?(?: address| domain| id)?(?: \S+)?(?: is| was| has been| has)?:? (?:not|un|in|un-?\w+ed"
            r"|reject|refus|den|block|bann|black|verif|suspend|mismatch|does)",
            r"(?:sendas|sender|send as) ?denied|sender (?:verif\w+|callout|identity|not yet)|verify (?:the )?sender|validate your sender",
            r"(?:invalid|unknown|bad|unverified|unauthori[sz]ed|forged|spoofed|fake|non-?existent) (?:sender|from|return[ -]path)\b",
            r"(?:from|sender) (?:header|address|domain|field)|return[ -]path|reverse[ -]path|mail from\b.{0,40}(?:not|reject|refus|den)",
            r"not owned by|not (?:authori[sz]ed|allowed|permitted) to (?:send|use|submit)|on behalf of",
            r"(?:address|domain|identity|identities|sender) (?:is |are )?not (?:been )?verified|failed the check|sandbox",
            r"your (?:\w+ )?(?:account|service|ip|domain|server|host|sender)\b|account (?:is )?not (?:yet )?activated",
            r"(?:your|this) (?:message|mail|e-?mail) (?:\w+ ){0,3}(?:block|reject|refus|look)",
            r"account (?:is )?(?:not authori[sz]ed|under review|on hold|restricted from sending)|compromised",
            r"spam|unsolicited|\bbulk\b|\bjunk\b|virus|phish|malware|malicious|suspicious|\babus|unusual (?:sending )?(?:activity|rate)",
            r"black ?-?list|block ?-?list|deny ?-?list|reputation|\brbl|listed (?:in|at|on|by)|\[(?:bl|tss|ph|ss|cs)\d\d\]",
            r"(?:client|host|ip|network|connection|traffic)(?: address)?(?: \S+)? (?:is |was |has been )?(?:block|reject|refus|den|bann|not accepted)",
            r"reverse dns|\brdns\b|\bptr\b|invalid dns|\bhelo\b|\behlo\b|message content|content (?:reject|filter|block)|policy reasons?",
            r"recipient preferences|prohibited by (?:the )?(?:admin|recipient|polic)",
        ),
    ),
    (
        About.FULL,
        _any(
            r"(?:mailbox|mail ?box|inbox|account|user|recipient|disk|storage)\b.{0,40}(?:full\b|over ?quota|quota|out of space)",
            r"full (?:mailbox|inbox)|over ?-?(?:the )?quota|quota.{0,20}exceed|exceed.{0,60}(?:quota|storage|mailbox size|disk)",
            r"(?:insufficient|not enough|out of|no) (?:system |disk |mailbox )?(?:storage|space)|storage (?:limit|quota)",
            r"mailbox (?:size )?(?:limit|exceed)|voll\b|boîte pleine|buz[oó]n lleno|casella piena",
        ),
    ),
    (
        About.SIZE,
        _any(
            r"(?:message|mail|e-?mail|size|content|data) .{0,30}too (?:big|large|long)|too (?:big|large)",
            r"(?:message|maximum|max|mail|header)[ _]?(?:message )?(?:size|length)|exceed.{0,40}(?:size|length)",
        ),
    ),
    (
        About.CLOSED,
        _any(
            rf"{_MAILBOX}\b.{{0,60}}(?:disabled|suspended|inactive|deactivated|locked|expired|closed|frozen|dormant|discontinued)",
            rf"(?:disabled|suspended|inactive|deactivated|expired|closed) {_MAILBOX}|suppress(?:ed|ion)|address (?:is )?on hold",
            r"(?<!domain )(?:not accepting|does not accept|doesn't accept|no longer accept\w*|cannot receive|can't receive) (?:any )?(?:more |new )?(?:mail|message|e-?mail)",
        ),
    ),
    (
        About.NOBODY,
        _any(
            rf"{_MAILBOX}\b[^.;]{{0,60}}{_UNKNOWN}",
            r"no such|no mailbox|no user|no account|no valid recipient|nosuchuser|recipientnotfound|unknown (?:in|or illegal)",
            rf"(?:unknown|invalid|bad|wrong|incorrect|non-?existent|nonexisting|undeliverable|illegal|no) (?:\w+ )?(?:{_MAILBOX}|person|e-?mail)",
            r"unroute?able|not a valid (?:mailbox|user|recipient|address)|(?:is|has) no longer (?:\w+ )?(?:here|in use|valid|active|exist|with|employ|work|available)",
            r"does(?:n.t| not) (?:exist|have an?\b.{0,40}account|like recipient)|user .{0,40}(?:is )?not local|not our customer|left the company",
            r"(?:host|domain)\b.{0,60}(?:not found|does not exist|unknown|no mx)|(?:unknown|no such|bad) (?:host|domain)|null mx|domain does not accept",
            r"unbekannt|existiert nicht|nicht (?:gefunden|vorhanden|bekannt)|kein(?:en)? solche|inconnu|n.existe pas|desconocid|no existe"
            r"|sconosciut|non esiste|inesistente|onbekend|bestaat niet|desconhecid|n[aã]o existe|nie istnieje|okänd|ukendt",
        ),
    ),
    (
        About.POLICY,
        _any(
            r"polic(?:y|ies)|denied|not (?:permitted|allowed|accepted|authori[sz]ed)|prohibited|forbidden|\bbann|\bblock|administrative",
            r"security|restricted|refused|not acceptable|accept no mail from|rejected by (?:the )?(?:content|filter|gateway|rule)",
            r"sender\b|authenticat",
        ),
    ),
)


def about(text: str) -> About:
    """What the words of a refusal are about; UNKNOWN if they say nothing that is known here.

    text: as in `Reply.text`. Addresses, host names, and links are not words: `unknown-sender@spam.example` is none. Only
    the names of block lists are looked for everywhere, because they are mostly in a link.
    """
    words = text.casefold()
    if _BLOCK_LIST.search(words):
        return About.US
    words = " ".join(_NAME.sub(" x ", _URL.sub(" ", words)).replace("’", "'").split())
    return next((what for what, pattern in _RULES if pattern.search(words)), About.UNKNOWN)
