"""How requests ended, step by step, as stacked bars."""

from osgp.pages.live.outcomes import Ended, Span, Step, get_requests_url
from osgp.pages.shared import stacked_bars
from osgp.pages.shared.display_text import split_words
from osgp.pages.shared.stacked_bars import Chart, Layer, format_period
from osgp.requests.models import RequestState

LAYERS = (
    (RequestState.FAILED, "bad"),
    (RequestState.CANCELLED, "neutral"),
    (RequestState.SUCCEEDED, "good"),
)
"""From below to above, with their tones. What failed stands on the axis, where it can be compared."""


def draw(ended: Ended, span: Span) -> Chart:
    """The bars of a span."""
    last = len(ended.steps) - 1
    steps = [_describe(step, ended, is_running=place == last) for place, step in enumerate(ended.steps)]
    title = (
        f"Requests that ended in the last {span.text}: {ended.finished:,}, of which {ended.rate} succeeded"
    )
    return stacked_bars.draw(steps, [step.begin for step in ended.steps], title)


def _describe(step: Step, ended: Ended, *, is_running: bool) -> stacked_bars.Step:
    period = format_period(step.begin, step.end)
    numbers = {state: (step.ended[state], split_words(state).lower()) for state, _ in LAYERS}
    counts = ", ".join(f"{number:,} {words}" for number, words in reversed(numbers.values()))
    return stacked_bars.Step(
        [
            Layer(
                numbers[state][0],
                tone,
                f"{period}: {numbers[state][0]:,} {numbers[state][1]}",
                get_requests_url(step.begin, step.end, state),
            )
            for state, tone in LAYERS
        ],
        f"{period}: {counts}",
        get_requests_url(step.begin, step.end),
        is_running,
        step.end > ended.counted_until and not is_running,
    )
