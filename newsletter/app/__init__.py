"""The application: settings in, use cases by noun out (`app.tips.pin(...)`, `app.issues.send(...)`)."""

from newsletter.app.wiring import COMMAND, DAEMON, App, SchemaStatus, fresh_key, system_clock

__all__ = ["COMMAND", "DAEMON", "App", "SchemaStatus", "fresh_key", "system_clock"]
