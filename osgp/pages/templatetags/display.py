"""Template filters over osgp/pages/shared/display_text.py and osgp/pages/batches/display.py."""

from datetime import timedelta

from django import template

from osgp.pages.batches import display as batch_display
from osgp.pages.shared import display_text
from osgp.requests.models import Request

register = template.Library()
register.filter("age", display_text.format_age)
register.filter("badge", display_text.draw_badge)
register.filter("byte_count", display_text.format_bytes)
register.filter("duration", display_text.format_duration)
register.filter("fault_summary", display_text.summarise_fault)
register.filter("moment", display_text.format_moment)
register.filter("words", display_text.split_words)
register.filter("bar", batch_display.draw_bar)
register.filter("progress", batch_display.draw_progress)
register.filter("rate", batch_display.format_rate)
register.filter("target", batch_display.link_target)


@register.filter
def exact_moment(value: object) -> object:
    """A time with its date and seconds, however recent it is."""
    return display_text.format_moment(value, full=True)  # type: ignore[arg-type]


@register.filter
def grouped(number: int) -> str:
    """``100000`` -> ``100,000``."""
    return f"{number:,}"


@register.filter
def lifetime(request: Request) -> timedelta | None:
    """From the creation of a request to its end; None while it has not ended."""
    return request.completed_at - request.created_at if request.completed_at is not None else None
