"""Template filters over osgp/pages/shared/display_text.py."""

from datetime import timedelta

from django import template

from osgp.pages.shared import display_text
from osgp.requests.models import Request

register = template.Library()
register.filter("age", display_text.age)
register.filter("badge", display_text.badge)
register.filter("byte_count", display_text.byte_count)
register.filter("duration", display_text.duration)
register.filter("fault_summary", display_text.fault_summary)
register.filter("moment", display_text.moment)
register.filter("spaced", display_text.spaced)


@register.filter
def exact_moment(value: object) -> object:
    """A time with its date and seconds, however recent it is."""
    return display_text.moment(value, full=True)  # type: ignore[arg-type]


@register.filter
def grouped(number: int) -> str:
    """``100000`` -> ``100,000``."""
    return f"{number:,}"


@register.filter
def took(request: Request) -> timedelta | None:
    """From the creation of a request to its end; None while it has not ended."""
    return request.completed_at - request.created_at if request.completed_at is not None else None
