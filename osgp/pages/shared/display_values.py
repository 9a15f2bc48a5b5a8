"""Parameters and results of requests as HTML that people can read, with every secret left out.

Whatever a meter or an application sent is escaped, and bounded in depth and size: a page stays a page.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from osgp.messages import registry
from osgp.pages.shared.display_text import NOTHING, split_words

REDACTED = "••••"
DEEPEST = 14
MOST_VALUES = 10_000
MOST_ROWS = 500
LONGEST_TEXT = 2000

_SECRET_WORDS = r"(?:[^\"]*_)?(?:key|keys|password|secret|token)"  # noqa: S105 (names)
_SECRET_NAME = re.compile(_SECRET_WORDS, re.IGNORECASE)
_DECODER = json.JSONDecoder()
_DATA = {"type", "value"}
"""Members of a DLMS value (osgp.messages.serializers.DataField)."""


def find_secret_fields(message: str) -> frozenset[str]:
    """The parameters of a message that nobody may see."""
    try:
        return registry.find_operation(message).secret_fields
    except registry.UnknownMessage:
        return frozenset()


def redact(value: Any, secrets: frozenset[str] = frozenset()) -> Any:
    """A copy of a JSON value without what stands under a secret's name, at any depth.

    Names that look like a secret's are treated as such even if no serializer says so: a key shown by
    mistake cannot be unshown.
    """
    if isinstance(value, Mapping):
        return {
            name: REDACTED
            if content is not None and (name in secrets or _SECRET_NAME.fullmatch(str(name)))
            else redact(content, secrets)
            for name, content in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item, secrets) for item in value]
    return value


def redact_text(text: str, secrets: frozenset[str] = frozenset()) -> str:
    """As :func:`redact`, for JSON text, which is not parsed.

    Of a text that is cut off, a secret at its end is left out as well.
    """
    named = "|".join([_SECRET_WORDS, *map(re.escape, sorted(secrets))])
    # Quotes inside of strings are escaped: only a name has one before it, and one and a colon behind it.
    name = re.compile(rf'"(?:{named})"\s*:\s*', re.IGNORECASE)
    parts: list[str] = []
    position = 0
    while match := name.search(text, position):
        parts.append(text[position : match.end()])
        try:
            content, position = _DECODER.raw_decode(text, match.end())
        except ValueError:
            return "".join(parts)
        parts.append("null" if content is None else f'"{REDACTED}"')
    return "".join([*parts, text[position:]])


def show(value: Any, secrets: frozenset[str] = frozenset()) -> SafeString:
    """A JSON value as HTML: quantities as one text, objects and lists of objects as tables."""
    return _Renderer().render(redact(value, secrets), 0)


@dataclass
class _Renderer:
    """Draws one value; ``left`` is how many more values it may draw."""

    left: int = MOST_VALUES

    def render(self, value: Any, depth: int) -> SafeString:
        self.left -= 1
        if self.left < 0 or depth > DEEPEST:
            return format_html('<span class="quiet">… {}</span>', "more than this page shows")
        if isinstance(value, Mapping):
            return self._draw_object(value, depth)
        if isinstance(value, Sequence) and not isinstance(value, str):
            return self._draw_list(value, depth)
        return _draw_scalar(value)

    def _draw_object(self, value: Mapping[str, Any], depth: int) -> SafeString:
        if not value:
            return NOTHING
        one_line = _draw_line(value)
        if one_line is not None:
            return one_line
        if _DATA <= set(value) <= {*_DATA, "length"} and isinstance(value["type"], str):
            kind = f"{value['type']} of {value['length']}" if "length" in value else value["type"]
            shown = self.render(value["value"], depth + 1)
            return format_html('<span class="quiet">{}</span> {}', kind, shown)
        rows = format_html_join(
            "",
            '<tr><th scope="row">{}</th><td>{}</td></tr>',
            ((make_label(name), self.render(content, depth + 1)) for name, content in value.items()),
        )
        return format_html('<table class="values">{}</table>', rows)

    def _draw_list(self, value: Sequence[Any], depth: int) -> SafeString:
        if not value:
            return SafeString('<span class="quiet">none</span>')
        shown = value[:MOST_ROWS]
        columns = _find_columns(shown)
        if columns:
            drawn = self._draw_table(shown, columns, depth)
        elif all(_is_short(item) for item in shown):
            drawn = format_html_join(", ", "{}", ((self.render(item, depth + 1),) for item in shown))
        else:
            items = format_html_join("", "<li>{}</li>", ((self.render(item, depth + 1),) for item in shown))
            drawn = format_html("<ol class='values' start='0'>{}</ol>", items)
        if len(value) > len(shown):
            drawn += format_html('<p class="quiet">… and {} more, in the API.</p>', len(value) - len(shown))
        return drawn

    def _draw_table(
        self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], depth: int
    ) -> SafeString:
        """A row each, without columns in which there is nothing; tables inside of a row unfold below it."""
        folded = [name for name in columns if any(_is_table(row.get(name)) for row in rows)]
        plain = [name for name in columns if any(row.get(name) not in (None, []) for row in rows)]
        plain = [name for name in plain if name not in folded] or [columns[0]]
        head = format_html_join("", '<th scope="col">{}</th>', ((make_label(name),) for name in plain))
        body = format_html_join(
            "",
            "{}{}",
            (
                (self._draw_row(row, plain, depth), self._draw_folded(row, folded, plain, depth))
                for row in rows
            ),
        )
        return format_html(
            '<div class="wide"><table class="rows"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>',
            head,
            body,
        )

    def _draw_row(self, row: Mapping[str, Any], columns: Sequence[str], depth: int) -> SafeString:
        cells = ((self.render(row[name], depth + 1) if name in row else NOTHING,) for name in columns)
        return format_html("<tr>{}</tr>", format_html_join("", "<td>{}</td>", cells))

    def _draw_folded(
        self, row: Mapping[str, Any], folded: Sequence[str], columns: Sequence[str], depth: int
    ) -> SafeString:
        return format_html_join(
            "",
            '<tr class="folded"><td colspan="{}"><details><summary>{} ({})</summary>{}</details></td></tr>',
            (
                (len(columns), make_label(name), len(row[name]), self.render(row[name], depth + 1))
                for name in folded
                if row.get(name)
            ),
        )


def make_label(name: str) -> str:
    """``active_energy_import`` -> ``Active energy import``; names of other shapes stay as they are."""
    return split_words(name) if re.fullmatch(r"[a-z0-9_]+", name) else name


def _draw_line(value: Mapping[str, Any]) -> SafeString | None:
    """A quantity with its unit, or a scalar DLMS value with its type."""
    if set(value) == {"value", "unit"} and not isinstance(value["value"], Mapping | list):
        return format_html('<span class="quantity">{} {}</span>', value["value"], value["unit"])
    if set(value) == {"type", "value"} and not isinstance(value["value"], Mapping | list):
        return format_html('<span class="quiet">{}</span> {}', value["type"], _draw_scalar(value["value"]))
    return None


def _is_short(item: Any) -> bool:
    """Whether a value is read best in a line with its neighbours."""
    if isinstance(item, Mapping):
        return _draw_line(item) is not None
    return not isinstance(item, list | tuple)


def _is_table(value: Any) -> bool:
    """Whether a value is drawn as a table of its own."""
    return isinstance(value, list) and bool(_find_columns(value[:MOST_ROWS]))


def _find_columns(items: Sequence[Any]) -> list[str]:
    """The columns of a list of similar objects, in order of appearance; none if it is not one."""
    names: dict[str, None] = {}
    for item in items:
        if not isinstance(item, Mapping) or not item or _draw_line(item) is not None:
            return []
        names.update(dict.fromkeys(item))
    return list(names) if len(names) <= 12 else []


def _draw_scalar(value: Any) -> SafeString:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return SafeString("yes" if value else "no")
    text = value if isinstance(value, str) else json.dumps(value)
    if text == "":
        return SafeString('<span class="quiet">empty</span>')
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"
    return format_html('<span class="text">{}</span>', text)
