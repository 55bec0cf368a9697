"""The settings: a table of every setting, reading and checking it, and writing env files."""

from newsletter.settings.env_file import env_text, quote
from newsletter.settings.reading import check, load_settings
from newsletter.settings.table import TABLE, Setting, Settings

__all__ = ["TABLE", "Setting", "Settings", "check", "env_text", "load_settings", "quote"]
