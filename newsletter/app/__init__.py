"""The application: settings in, use cases by noun out (`app.tips.pin(...)`, `app.issues.send(...)`)."""

from newsletter.app.wiring import App

__all__ = ["App"]
