"""The template engine: Jinja2 in a sandbox, because owners may edit templates, and errors with file and line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound, TemplateSyntaxError

from newsletter.domain.errors import TemplateError
from newsletter.rendering.limits import LimitedEnvironment, joined

MAX_CACHED = 2_000  # pairs of a type and a name; templates have a few dozen


class _SandboxedEnvironment(LimitedEnvironment):
    """The sandbox with a cache of its answers, which depend only on the type of an object and the attribute's name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._safe_attributes: dict[tuple[type, str], bool] = {}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """May a template read this attribute?"""
        pair = type(obj), attr
        found = self._safe_attributes.get(pair)
        if found is None:
            found = super().is_safe_attribute(obj, attr, value)
            if len(self._safe_attributes) < MAX_CACHED:
                self._safe_attributes[pair] = found
        return found


class Templates:
    """Templates from several directories; for each name, the first directory that has the file is used.

    The last directory is ours. If it is the only one, no foreign code runs, so the faster engine without a sandbox is used.
    """

    def __init__(self, dirs: Sequence[Path]) -> None:
        self._dirs = tuple(str(directory) for directory in dirs)
        engine = _SandboxedEnvironment if len(self._dirs) > 1 else Environment
        self.environment: Environment = engine(
            loader=FileSystemLoader(self._dirs),
            autoescape=lambda name: name is None or not name.endswith(".txt"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, name: str, values: Mapping[str, object]) -> str:
        """Render one template. Raises TemplateError for any error in it."""
        try:
            template = self.environment.get_template(name)
            if isinstance(self.environment, LimitedEnvironment):
                self.environment.start()
                return joined(template.generate(values))
            return template.render(values)
        except TemplateSyntaxError as error:
            raise TemplateError(_message(error), source=error.filename or name, line=error.lineno) from error
        except TemplateNotFound as error:
            raise TemplateError(f"there is no template {error.name!r}", source=name) from error
        except Exception as error:  # an owner's expression can raise anything
            source, line = self._location(error.__traceback__)
            raise TemplateError(_message(error), source=source or name, line=line) from error

    def _location(self, traceback: TracebackType | None) -> tuple[str, int]:
        """The innermost line of a traceback that is in a template; Jinja adds its templates to tracebacks."""
        place = "", 0
        while traceback:
            file = traceback.tb_frame.f_code.co_filename
            if file.startswith(self._dirs):
                place = file, traceback.tb_lineno
            traceback = traceback.tb_next
        return place


def _message(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
