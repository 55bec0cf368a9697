"""The settings: one table from which reading, `config show`, .env.example and the reference are made; wires nothing.

A value is looked for in the environment, then in an explicit env file, then it is the default; an empty
value counts as unset. Every secret may also be given as `…_FILE`, the path of a file that holds it.
"""
# ruff: noqa: RUF009 - in this table the call makes a dataclass field

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from newsletter.domain.colors import brand_color
from newsletter.domain.errors import InputError, SettingsError
from newsletter.domain.site import Site
from newsletter.domain.subscribers.subscription import UnsubscribeEmail
from newsletter.settings import values as v

PREFIX = "NEWSLETTER_"
KNOWN_ELSEWHERE = frozenset({"NEWSLETTER_TEST_ALL"})
MAX_SECRET_FILE = 65_536  # characters; a secret is a line

# -- the table -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. `mask` makes a secret showable; None when there is nothing to hide."""

    field: str
    default: str
    meaning: str
    read: Callable[[str], object]
    group: str
    mask: Callable[[str], str] | None

    @property
    def name(self) -> str:
        """As it is written in the environment."""
        return PREFIX + self.field.strip("_").upper()

    def masked(self, text: str) -> str:
        """The value as it may be shown."""
        return self.mask(text) if self.mask else text


def _setting(
    default: str,
    meaning: str,
    read: Callable[[str], object] = v.one_line,
    *,
    group: str = "",
    mask: Callable[[str], str] | None = None,
) -> Any:
    """A dataclass field that carries its row of the table; `group` opens a new group."""
    row = {"default": default, "meaning": meaning, "read": read, "group": group, "mask": mask}
    return dataclasses.field(metadata={"row": row})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting, read and checked. Tuples may be empty; base_url has no slash at its end."""

    title: str = _setting("Tip of the Week", "What the newsletter is called.", group="The newsletter")
    from_: str = _setting("Tip of the Week <tips@example.org>", "Who letters come from.", v.mailbox)
    reply_to: str = _setting("", "Where answers go, if not to the From address.", v.optional(v.mailbox))
    postal_address: str = _setting("", "The postal address in every footer; many laws ask for it.", v.several_lines)
    language: str = _setting(
        "en",
        "The language of letters and pages.",
        v.matching(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", "Write a language tag, as in en or pt-BR"),
    )
    owner: str = _setting("owner@example.org", "Who is told when something needs a person.", v.address)
    color: str = _setting(
        "#17664f", "The colour of links, buttons and the takeaway; checked for contrast.", brand_color
    )
    logo: Path | None = _setting(
        "", "A picture (PNG, JPEG or GIF) that stands for the title at the top.", v.optional(v.picture, unset=None)
    )
    contact_url: str = _setting("", "How to reach you.", v.optional(v.link), group="Footer links")
    resources_url: str = _setting("", "More to read.", v.optional(v.link))
    home_url: str = _setting("", "Your own site.", v.optional(v.link))
    base_url: str = _setting(
        "http://localhost:8000",
        "Where readers reach the pages; links in letters begin with it.",
        v.base_url,
        group="Web",
    )
    listen: tuple[str, int] = _setting("127.0.0.1:8000", "Host and port the web listens on.", v.host_and_port)
    trusted_proxies: tuple[str, ...] = _setting("", "Proxies whose X-Forwarded-For is believed.", v.networks)
    frame_ancestors: tuple[str, ...] = _setting("", "Sites that may show the form in a frame.", v.origins)
    allowed_origins: tuple[str, ...] = _setting("", "Sites whose own form may post here.", v.origins)
    teasers: str = _setting(
        "hide",
        "Tips of which only the beginning is here: hide them in the archive, or show it with a link to the whole.",
        v.matching("hide|show", "Write hide or show"),
    )
    disposable_domains: Path | None = _setting(
        "",
        "File with one domain a line; addresses there cannot sign up. Meant for throw-away mailboxes.",
        v.optional(Path, unset=None),
    )
    data_dir: Path = _setting("data", "Directory of the database and of other files.", Path, group="Storage")
    database_url: str = _setting(
        "sqlite:///data/newsletter.db",
        "The database; a relative path starts in the working directory. Unset, it is in the data directory.",
        v.matching(r"(sqlite:///|postgresql(\+psycopg)?://)\S.*", "Write sqlite:///path/to/newsletter.db"),
        mask=v.mask_passwords,
    )
    sender_url: tuple[str, ...] = _setting(
        "",
        "How letters leave: smtp://user:password@host:587?tls=starttls&connections=10, smtps://…,"
        " maildir:///path or console: (several with blanks between are tried in order).",
        v.sender_urls,
        group="Sending",
        mask=v.mask_passwords,
    )
    schedule: str = _setting("tue 08:00", "The weekday and the time of each issue.", v.schedule)
    timezone: str = _setting("America/New_York", "The IANA zone of the schedule and of shown dates.", v.zone)
    late_window: timedelta = _setting("24h", "How late an issue may still start after an outage.", v.parse_duration)
    in_doubt: str = _setting(
        "resend",
        "A letter that may or may not have been accepted: resend it, or hold it for a person.",
        v.matching("resend|hold", "Write resend or hold"),
    )
    second_process: int | None = _setting(
        "",
        "From this many letters on a second process helps, where there is a second core; unset: from 10000, where that"
        " core has nothing else to do; 0: never.",
        v.optional(v.whole_number, unset=None),
    )
    bounce_domain: str = _setting(
        "", "The domain that bounces come back to.", v.optional(v.matching(r"[\w-]+(\.[\w-]+)+", "Write a domain name"))
    )
    rerun_after: timedelta | None = _setting(
        "18 months", "How long a tip rests before it may run again; or never.", v.rest
    )
    rerun_to: str = _setting(
        "everybody",
        "Who gets a tip that runs again: everybody, or the unseen: those who have not had it; others get another.",
        v.matching("everybody|unseen", "Write everybody or unseen"),
    )
    farewell: UnsubscribeEmail = _setting(
        "page",
        "A last mail to somebody who left: after the page with the button, always (one click in the mail program"
        " too), or never.",
        v.farewell,
    )
    approval: str = _setting(
        "silence",
        "Silence: the letter goes unless you say no to its preview. Required: it waits for your yes.",
        v.matching("silence|required", "Write silence or required"),
    )
    ping_url: str = _setting(
        "",
        "Called (GET) after each issue that went, so that a watchdog elsewhere notices silence.",
        v.optional(v.web_url),
    )
    dkim_selector: str = _setting(
        "",
        "The DKIM selector; unset, letters leave unsigned and the relay signs.",
        v.optional(v.selector),
        group="DKIM",
    )
    dkim_key: str = _setting("", "The DKIM key: PEM, RSA-2048 or Ed25519.", v.optional(v.private_key), mask=v.mask_all)
    dkim_ed25519_selector: str = _setting("", "The selector of a second signature.", v.optional(v.selector))
    dkim_ed25519_key: str = _setting("", "The key of the second signature.", v.optional(v.private_key), mask=v.mask_all)
    secret_key: tuple[str, ...] = _setting(
        "",
        "Signs the links in letters. Several with commas between: the first signs, all verify.",
        v.keys,
        group="Secrets, templates, logs",
        mask=v.mask_all,
    )
    templates: Path | None = _setting(
        "", "Directory of your own templates; its files win, one by one.", v.optional(Path, unset=None)
    )
    log_format: str = _setting("text", "text or json.", v.matching("text|json", "Write text or json"))

    texts: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    origins: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without values: a traceback must not show a secret."""
        return f"<Settings from {sorted(set(self.origins.values()))}>"

    def origin(self, name: str) -> str:
        """Where a value came from: environment, a file's path, or default."""
        return self.origins[name]

    def shown(self) -> list[tuple[str, str, str]]:
        """(name, value with secrets masked, origin) of every setting."""
        return [(row.name, row.masked(self.texts[row.name]), self.origins[row.name]) for row in TABLE]

    def site(self) -> Site:
        """What letters and pages say of the newsletter."""
        name, address = v.split_mailbox(self.from_)
        return Site(
            title=self.title,
            from_name=name,
            from_address=address,
            base_url=self.base_url,
            language=self.language,
            reply_to=self.reply_to,
            postal_address=self.postal_address,
            owner=self.owner,
            contact_url=self.contact_url,
            resources_url=self.resources_url,
            home_url=self.home_url,
            bounce_domain=self.bounce_domain,
            color=self.color,
            has_logo=self.logo is not None,
        )

    @property
    def holds_in_doubt(self) -> bool:
        """Does a letter that may have been accepted wait for a person?"""
        return self.in_doubt == "hold"

    def blocked_domains(self) -> frozenset[str]:
        """Domains that may not sign up, in lower case; raises SettingsError when their file cannot be read."""
        path = self.disposable_domains
        if path is None:
            return frozenset()
        try:
            lines = path.read_text(encoding="utf-8").lower().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path} cannot be read: {error}", fix="Name a text file, one domain a line") from None
        return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))

    def signing_keys(self) -> tuple[str, ...]:
        """The keys, never empty; raises SettingsError when none is set."""
        if not self.secret_key:
            raise SettingsError("NEWSLETTER_SECRET_KEY is not set", fix="Run: newsletter init")
        return self.secret_key

    def dkim_keys(self) -> tuple[tuple[str, str, str], ...]:
        """(setting, selector, PEM) of each DKIM key; either of the last two may be missing."""
        return (
            ("NEWSLETTER_DKIM", self.dkim_selector, self.dkim_key),
            ("NEWSLETTER_DKIM_ED25519", self.dkim_ed25519_selector, self.dkim_ed25519_key),
        )

    def sender_urls(self) -> tuple[str, ...]:
        """The senders in failover order, never empty; raises SettingsError when none is set."""
        if not self.sender_url:
            raise SettingsError(
                "NEWSLETTER_SENDER_URL is not set, so no letter can leave",
                fix="Set it to smtp://user:password@host:587, or to console: to see letters on the screen",
            )
        return self.sender_url


TABLE = tuple(
    Setting(field=field.name, **field.metadata["row"])
    for field in dataclasses.fields(Settings)
    if "row" in field.metadata
)

# -- reading ---------------------------------------------------------------------------------------


def load_settings(environ: Mapping[str, str], env_file: Path | None = None) -> Settings:
    """Read every setting; raises SettingsError naming the setting, its value (masked) and the fix.

    env_file: a file that must exist, or None. Nothing else is looked at, and nothing is exported.
    """
    sources = [("environment", environ)]
    if env_file:
        sources.append((str(env_file), _env_file_values(env_file)))
    values: dict[str, Any] = {}
    texts: dict[str, str] = {}
    origins: dict[str, str] = {}
    for row in TABLE:
        text, origin = _find(row, sources)
        if row.field == "database_url" and origin == "default":
            text = f"sqlite:///{texts[PREFIX + 'DATA_DIR']}/newsletter.db"
        values[row.field], texts[row.name], origins[row.name] = check(row, text), text, origin
    return Settings(**values, texts=texts, origins=origins, warnings=_misspelled(sources))


def _env_file_values(path: Path) -> dict[str, str]:
    from dotenv import dotenv_values

    if not path.is_file():
        raise SettingsError(f"there is no file {path}", fix="Name another with --env-file, or run: newsletter init")
    try:
        found = dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", fix="Save it as UTF-8, readable for you") from None
    return {name: value for name, value in found.items() if value is not None}


def _find(row: Setting, sources: list[tuple[str, Mapping[str, str]]]) -> tuple[str, str]:
    for origin, values in sources:
        text = values.get(row.name, "").strip()
        path = values.get(f"{row.name}_FILE", "").strip() if row.mask else ""
        if text and path:
            raise SettingsError(f"{row.name} and {row.name}_FILE are both set ({origin})", fix="Keep one of them")
        if path:
            return _secret_from(row, path), f"{origin}, {path}"
        if text:
            return text, origin
    return row.default, "default"


def _secret_from(row: Setting, path: str) -> str:
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(MAX_SECRET_FILE).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{row.name}_FILE cannot be read: {error}", fix="Name a readable text file") from None
    if not text:
        raise SettingsError(f"{row.name}_FILE names an empty file: {path}", fix="Put the secret into it")
    return text


def check(row: Setting, text: str) -> object:
    """The value a text means in this row; raises SettingsError naming the setting, the text (masked) and the fix."""
    try:
        return row.read(text)
    except SettingsError:
        raise
    except InputError as error:
        advice = f"It is {error.message}. {error.fix}" if error.fix else f"It is {error.message}"
    except ValueError as error:
        advice = str(error)
    raise SettingsError(f"{row.name} cannot be used: {row.masked(text)!r}", fix=advice)


def _misspelled(sources: list[tuple[str, Mapping[str, str]]]) -> tuple[str, ...]:
    from difflib import get_close_matches

    known = {row.name for row in TABLE} | {f"{row.name}_FILE" for row in TABLE if row.mask} | KNOWN_ELSEWHERE
    found = []
    for origin, values in sources:
        for name in sorted(name for name in values if name.startswith(PREFIX) and name not in known):
            near = get_close_matches(name, sorted(known), n=1)
            advice = f"did you mean {near[0]}?" if near else "no setting has such a name"
            found.append(f"{name} ({origin}) is not a setting: {advice}")
    return tuple(found)


# -- writing ---------------------------------------------------------------------------------------


def env_text(values: Mapping[str, str] | None = None) -> str:
    """An env file: every setting with its meaning, commented out unless `values` has it."""
    lines = ["# Settings of the newsletter. A name in the environment wins over this file.", ""]
    for row in TABLE:
        if row.group:
            lines += [f"# --- {row.group} ---", ""]
        value = (values or {}).get(row.name)
        mark, text = ("#", row.default) if value is None else ("", value)
        lines += [f"# {row.meaning}", f"{mark}{row.name}={quote(text)}", ""]
    return "\n".join(lines)


def quote(value: str) -> str:
    """A value as an env file has it: bare when nothing in it can be misread, else in double quotes."""
    if re.fullmatch(r"[\w@%+=:,./*?&-]*", value, re.ASCII):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
