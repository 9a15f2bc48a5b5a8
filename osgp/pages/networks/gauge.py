"""How much of a limit is in use, as a bar."""

from django.utils.html import format_html
from django.utils.safestring import SafeString


def draw_gauge(number: int, limit: int | None, url: str = "") -> SafeString:
    """How much of a limit is in use: a bar with the numbers, of which the first leads to ``url``."""
    first = format_html("<b>{}</b>", f"{number:,}")
    if url and number:
        first = format_html('<a href="{}">{}</a>', url, first)
    if limit is None:
        return format_html('<span class="gauge">{}</span>', first)
    tone = "bad" if number >= limit else "warning" if number * 10 >= limit * 8 else "good"
    if limit == 0:
        return format_html(
            '<span class="gauge" title="No meter is dialled">{} <span class="quiet">of 0: closed</span>'
            '<span class="bar" aria-hidden="true"><span class="bar-bad" data-share="1"></span></span></span>',
            first,
        )
    return format_html(
        '<span class="gauge">{} <span class="quiet">of {}</span><span class="bar" aria-hidden="true">'
        '<span class="bar-{}" data-share="{}"></span><span class="bar-blank" data-share="{}"></span>'
        "</span></span>",
        first,
        f"{limit:,}",
        tone,
        min(number, limit),
        max(0, limit - number),
    )
