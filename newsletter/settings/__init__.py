"""The settings: a table of every setting, reading and checking it, and writing env files."""

from newsletter.settings.env_file import env_text, env_with, quote
from newsletter.settings.overlay import with_own
from newsletter.settings.reading import check, load_settings
from newsletter.settings.table import TABLE, Setting, Settings, variable
from newsletter.settings.values import formatted_mailbox
from newsletter.settings.zones import machine_zone

__all__ = [
    "TABLE",
    "Setting",
    "Settings",
    "check",
    "env_text",
    "env_with",
    "formatted_mailbox",
    "load_settings",
    "machine_zone",
    "quote",
    "variable",
    "with_own",
]
