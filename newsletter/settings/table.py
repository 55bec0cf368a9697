"""Every setting: its name, default, meaning, and how its text is read.

Reading, `config show`, .env.example, and the reference are made from this table.
"""
# ruff: noqa: RUF009 - in this table the call makes a dataclass field

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from newsletter.domain.colors import brand_color
from newsletter.domain.errors import SettingsError
from newsletter.domain.site import Site
from newsletter.domain.subscribers.subscription import UnsubscribeEmail
from newsletter.settings import masks
from newsletter.settings import values as v
from newsletter.settings.schedules import read_schedule
from newsletter.settings.zones import read_zone

PREFIX = "NEWSLETTER_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    default: the text used if nothing is set. read: returns the value of a text, or raises ValueError with advice.
    group: a heading before this row, or "". mask: hides what is secret in a text; None if nothing is secret.
    formerly: the field of an older name that still works, with a warning, or "".
    """

    field: str
    default: str
    meaning: str
    read: Callable[[str], object]
    group: str
    mask: Callable[[str], str] | None
    formerly: str

    @property
    def name(self) -> str:
        """The name in the environment."""
        return variable(self.field)

    @property
    def old_name(self) -> str:
        """The deprecated name in the environment, or ""."""
        return variable(self.formerly) if self.formerly else ""

    def masked(self, text: str) -> str:
        """The value as it may be shown."""
        return self.mask(text) if self.mask else text


def variable(field: str) -> str:
    """The environment variable of a field: `from_` is NEWSLETTER_FROM."""
    return PREFIX + field.strip("_").upper()


def _setting(
    default: str,
    meaning: str,
    read: Callable[[str], object] = v.one_line,
    *,
    group: str = "",
    mask: Callable[[str], str] | None = None,
    formerly: str = "",
) -> Any:
    """A dataclass field that carries its row of the table; `group` starts a new group."""
    row = {"default": default, "meaning": meaning, "read": read, "group": group, "mask": mask, "formerly": formerly}
    return dataclasses.field(metadata={"row": row})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting, read and checked. Tuples may be empty; base_url has no trailing slash.

    texts: each value as it was written; origins: where it was found; both by name. warnings: names that are no settings.
    deprecations: settings that were given under an old name.
    """

    title: str = _setting("Tip of the Week", "The name of the newsletter.", v.short_line, group="The newsletter")
    from_: str = _setting("Tip of the Week <tips@example.org>", "The From address of every email.", v.mailbox)
    reply_to: str = _setting("", "The address for replies, if it is not the From address.", v.optional(v.mailbox))
    postal_address: str = _setting(
        "", "The postal address in the footer of every email; many countries require one.", v.several_lines
    )
    language: str = _setting(
        "en",
        "The language of emails and pages, such as en, en-GB, or de.",
        v.language,
    )
    owner: tuple[str, ...] = _setting(
        "owner@example.org",
        "Your email address, for alerts, previews, and reports. Several addresses, separated by commas, each get them.",
        v.addresses,
    )
    color: str = _setting(
        "#17664f",
        "The color of links, buttons, and the takeaway. It is rejected if the contrast is too low in light or dark mode.",
        brand_color,
        formerly="colour",
    )
    logo: Path | None = _setting(
        "",
        "An image file (PNG, JPEG, or GIF) that is shown with the title at the top of emails and pages. In dark mode, it"
        " stands on a light background.",
        v.optional(v.picture, unset=None),
    )
    headline: str = _setting("", "The headline of the home page. Unset: One good tip every Tuesday.")
    author: str = _setting("", "Who writes the tips, as the pages say it: your name, or your company's.")
    about: str = _setting("", "One or two sentences about the author.")
    portrait: Path | None = _setting(
        "",
        "A picture of the author (PNG, JPEG, or GIF) for the pages. It is shown as a circle.",
        v.optional(v.picture, unset=None),
    )
    contact_url: str = _setting("", "A link to your contact page.", v.optional(v.link), group="Footer links")
    resources_url: str = _setting("", "A link to more resources.", v.optional(v.link))
    home_url: str = _setting("", "A link to your own website.", v.optional(v.link))
    base_url: str = _setting(
        "http://localhost:8000",
        "The public address of the web pages. Links in emails start with it.",
        v.base_url,
        group="Web",
    )
    listen: tuple[str, int] = _setting(
        "127.0.0.1:8000", "The host and port that the web server listens on.", v.host_and_port
    )
    trusted_proxies: tuple[str, ...] = _setting(
        "",
        "Addresses and networks of reverse proxies whose X-Forwarded-For header is trusted. `*`: whoever connects, which is"
        " safe only if nobody but the proxy can.",
        v.networks,
    )
    frame_ancestors: tuple[str, ...] = _setting("", "Sites that may show the sign-up form in an iframe.", v.origins)
    allowed_origins: tuple[str, ...] = _setting("", "Sites whose scripts may post to the sign-up form.", v.origins)
    teasers: str = _setting(
        "hide",
        "What to do with teasers, tips that have only their beginning in the library. hide: leave them out of the"
        " archive; show: show the beginning and a link to the full tip.",
        v.one_of("hide", "show"),
    )
    disposable_domains: Path | None = _setting(
        "",
        "A text file with one domain per line, such as a list of disposable email providers. Addresses at these domains"
        " cannot sign up.",
        v.optional(Path, unset=None),
    )
    data_dir: Path = _setting("data", "The directory of the database and other files.", Path, group="Storage")
    database_url: str = _setting(
        "sqlite:///data/newsletter.db",
        "The database. A relative path starts in the working directory. Unset: newsletter.db in the data directory.",
        v.sqlite_url,
        mask=masks.mask_urls,
    )
    sender_url: tuple[str, ...] = _setting(
        "",
        "Outgoing mail server: smtp://user:password@host:587?tls=starttls&connections=10, smtps://…,"
        " maildir:///path, or console:. Several URLs, separated by spaces, are tried in order.",
        v.sender_urls,
        group="Sending",
        mask=masks.mask_urls,
    )
    schedule: str = _setting(
        "tue 08:00",
        "When issues go out: tue 08:00, tue,thu 08:00, first tue 08:00, or every 2 weeks tue 08:00 from 2026-12-01.",
        read_schedule,
    )
    timezone: str = _setting(
        "America/New_York",
        "The time zone of the schedule and of the dates you see (an IANA name, such as America/New_York).",
        read_zone,
    )
    first_issue: int = _setting(
        "1",
        "The number of the first issue, to continue the count of an earlier newsletter. A higher number than the last"
        " issue's continues there.",
        v.whole_number,
    )
    late_window: timedelta = _setting("24h", "How late an issue may still start after an outage.", v.parse_duration)
    in_doubt: str = _setting(
        "resend",
        "What happens to an email if the mail server's reply was lost. resend: it is sent again; hold: it waits for you.",
        v.one_of("resend", "hold"),
    )
    second_process: int | None = _setting(
        "",
        "Use a second sending process for issues with at least this many recipients. Unset: 10000, if a CPU core is"
        " idle; 0: never.",
        v.optional(v.whole_number, unset=None),
    )
    bounce_domain: str = _setting(
        "",
        "The domain that bounces are returned to. Unset: the domain of the From address.",
        v.optional(v.matching(r"[\w-]+(\.[\w-]+)+", "Write a domain name")),
    )
    envelope: str = _setting(
        "",
        "The envelope sender of issues. plain: the From address; verp: an address of its own for each email, so that a bounce"
        " names the subscriber. Unset: verp if NEWSLETTER_BOUNCE_DOMAIN is set, otherwise plain.",
        v.optional(v.matching("verp|plain", "Write verp or plain")),
    )
    rerun_after: timedelta | None = _setting(
        "18 months", "How long a tip rests before it may run again, or never.", v.duration_or_never
    )
    rerun_to: str = _setting(
        "everybody",
        "The recipients of a tip that runs again. everybody: all subscribers; unseen: only subscribers who have not"
        " received it yet, while the others get a different tip.",
        v.one_of("everybody", "unseen"),
    )
    unsubscribe_email: UnsubscribeEmail = _setting(
        "page",
        "When to send one last email with a resubscribe link. page: after someone unsubscribes on the web page or by"
        " email; always: after a one-click unsubscribe in an email program, too; never: not at all.",
        v.unsubscribe_email,
        formerly="farewell",
    )
    approval: str = _setting(
        "silence",
        "Whether an issue needs your approval. silence: it is sent unless you reject the preview; required: it waits"
        " for your approval.",
        v.one_of("silence", "required"),
    )
    ping_url: str = _setting(
        "",
        "A URL to request after each issue, so that a dead man's switch such as Healthchecks notices if one is missing.",
        v.optional(v.web_url),
        mask=masks.mask_path,
    )
    dkim_selector: str = _setting(
        "",
        "The DKIM selector. Unset: emails are not signed here, and your relay is expected to sign.",
        v.optional(v.selector),
        group="DKIM",
    )
    dkim_key: str = _setting(
        "", "The private DKIM key in PEM format: RSA-2048 or Ed25519.", v.optional(v.private_key), mask=masks.mask_all
    )
    dkim_ed25519_selector: str = _setting("", "The selector of a second DKIM signature.", v.optional(v.selector))
    dkim_ed25519_key: str = _setting(
        "", "The private key of the second DKIM signature.", v.optional(v.private_key), mask=masks.mask_all
    )
    secret_key: tuple[str, ...] = _setting(
        "",
        "The key that signs the links in emails. Several keys, separated by commas: the first one signs, all verify.",
        v.keys,
        group="Secrets, templates, logs",
        mask=masks.mask_all,
    )
    templates: Path | None = _setting(
        "", "The directory of your own templates. Each file there overrides ours.", v.optional(Path, unset=None)
    )
    log_format: str = _setting("text", "The format of the log: text or json.", v.one_of("text", "json"))

    texts: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    origins: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()
    deprecations: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Leave the values out: a traceback must not show a secret."""
        return f"<Settings from {sorted(set(self.origins.values()))}>"

    def origin(self, name: str) -> str:
        """Where a value was found: environment, the path of a file, or default."""
        return self.origins[name]

    def shown(self) -> list[tuple[str, str, str]]:
        """(name, value with secrets masked, origin) of every setting."""
        return [(row.name, row.masked(self.texts[row.name]), self.origins[row.name]) for row in TABLE]

    def site(self) -> Site:
        """What emails and pages show about the newsletter."""
        name, address = v.split_mailbox(self.from_)
        return Site(
            title=self.title,
            from_name=name,
            from_address=address,
            base_url=self.base_url,
            language=self.language,
            reply_to=v.split_mailbox(self.reply_to)[1] if self.reply_to else "",
            postal_address=self.postal_address,
            owner=self.owner,
            contact_url=self.contact_url,
            resources_url=self.resources_url,
            home_url=self.home_url,
            bounce_domain=self.bounce_domain,
            color=self.color,
            has_logo=self.logo is not None,
            headline=self.headline,
            author=self.author,
            about=self.about,
            has_portrait=self.portrait is not None,
        )

    @property
    def uses_verp(self) -> bool:
        """Has each email an envelope sender of its own? Many relays accept only the account's own address."""
        return self.envelope == "verp" or (not self.envelope and bool(self.bounce_domain))

    @property
    def holds_in_doubt(self) -> bool:
        """Is an email held if the mail server may or may not have accepted it?"""
        return self.in_doubt == "hold"

    def blocked_domains(self) -> frozenset[str]:
        """Domains whose addresses cannot sign up, in lower case. Raises SettingsError if the file cannot be read."""
        path = self.disposable_domains
        if path is None:
            return frozenset()
        try:
            lines = path.read_text(encoding="utf-8").lower().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{path} cannot be read: {error}", fix="Set it to a text file with one domain per line"
            ) from None
        return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))

    def signing_keys(self) -> tuple[str, ...]:
        """The keys, at least one; raises SettingsError if none is set."""
        if not self.secret_key:
            raise SettingsError("NEWSLETTER_SECRET_KEY is not set", fix="Run: newsletter init")
        return self.secret_key

    def dkim_keys(self) -> tuple[tuple[str, str, str], ...]:
        """(prefix of the settings, selector, PEM) of each DKIM key; selector and PEM are "" if not set."""
        return (
            ("NEWSLETTER_DKIM", self.dkim_selector, self.dkim_key),
            ("NEWSLETTER_DKIM_ED25519", self.dkim_ed25519_selector, self.dkim_ed25519_key),
        )

    def sender_urls(self) -> tuple[str, ...]:
        """The senders in failover order, at least one; raises SettingsError if none is set."""
        if not self.sender_url:
            raise SettingsError(
                "NEWSLETTER_SENDER_URL is not set, so no email can be sent",
                fix="Set it to smtp://user:password@host:587, or to console: to print emails on the screen",
            )
        return self.sender_url


TABLE = tuple(
    Setting(field=field.name, **field.metadata["row"])
    for field in dataclasses.fields(Settings)
    if "row" in field.metadata
)
