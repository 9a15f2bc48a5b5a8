"""Columns of lists, and read-only fields of forms, that many models have."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString

from osgp.pages.shared import display_text

Column = Callable[[Any, Any], SafeString | str]


def make_moment_column(
    field: str, description: str, *, ordering: str | None = None, full: bool = False
) -> Column:
    """A time, short in lists, ``full`` in forms; sortable if ``ordering`` says by what."""

    @admin.display(description=description, ordering=ordering)
    def show(self: Any, row: Any) -> SafeString:
        return display_text.format_moment(getattr(row, field), full=full)

    return show


@admin.display(description="State")
def show_state(self: Any, row: Any) -> SafeString:
    """The state as a badge."""
    return display_text.draw_badge(row.state)


@admin.display(description="Message")
def show_message(self: Any, row: Any) -> SafeString:
    """The name of the message, which may be broken where the column is narrow."""
    return display_text.allow_breaks(row.message)


@admin.display(description="Fault")
def show_fault(self: Any, row: Any) -> SafeString:
    """Code and name of the fault, if there was one."""
    return display_text.summarise_fault(row.fault)
