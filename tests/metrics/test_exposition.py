"""What is rendered can be read by the formats' own grammars, whatever labels and values hold."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.metrics.exposition import Family, Histogram, Kind, Sample, render
from tests.metrics import grammar

COUNTER = Family("osgp_things_total", Kind.COUNTER, 'Things: "all" of them,\nwith \\ in between.')
GAUGE = Family("osgp_level", Kind.GAUGE, "A level.")
LENGTHS = Family("osgp_length_seconds", Kind.HISTOGRAM, "Lengths.", bounds=(0.5, 1, 60))

TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)


def test_counters_are_as_documented() -> None:
    page = render([(COUNTER, [Sample(3, {"message": "A"}), Sample(1 << 60)])])
    assert page.splitlines() == [
        '# HELP osgp_things_total Things: "all" of them,\\nwith \\\\ in between.',
        "# TYPE osgp_things_total counter",
        'osgp_things_total{message="A"} 3',
        "osgp_things_total 1152921504606846976",
    ]


def test_openmetrics_names_the_family_without_its_suffix_and_ends_with_eof() -> None:
    page = render([(COUNTER, [Sample(3)])], openmetrics=True)
    assert page.splitlines() == [
        '# HELP osgp_things Things: \\"all\\" of them,\\nwith \\\\ in between.',
        "# TYPE osgp_things counter",
        "osgp_things_total 3",
        "# EOF",
    ]


def test_buckets_are_added_up() -> None:
    page = render([(LENGTHS, [Histogram([2, 0, 3, 1], 99.5, {"priority": "9"})])])
    assert page.splitlines()[2:] == [
        'osgp_length_seconds_bucket{priority="9",le="0.5"} 2',
        'osgp_length_seconds_bucket{priority="9",le="1.0"} 2',
        'osgp_length_seconds_bucket{priority="9",le="60.0"} 5',
        'osgp_length_seconds_bucket{priority="9",le="+Inf"} 6',
        'osgp_length_seconds_sum{priority="9"} 99.5',
        'osgp_length_seconds_count{priority="9"} 6',
    ]


def test_numbers_that_are_none() -> None:
    values = [math.inf, -math.inf, math.nan, 1e-7]
    page = render([(GAUGE, [Sample(value, {"n": str(n)}) for n, value in enumerate(values)])])
    assert [line.split(" ")[1] for line in page.splitlines()[2:]] == ["+Inf", "-Inf", "NaN", "1e-07"]


def test_a_histogram_with_wrong_buckets_is_refused() -> None:
    with pytest.raises(ValueError, match="3 bounds"):
        render([(LENGTHS, [Histogram([1, 2, 3], 1.0)])])


@pytest.mark.parametrize("openmetrics", [False, True])
@given(
    help_text=TEXTS,
    labels=st.lists(st.tuples(TEXTS, TEXTS), max_size=4, unique=True),
    value=st.floats(allow_nan=False),
    buckets=st.lists(st.integers(0, 1 << 40), min_size=4, max_size=4),
)
def test_everything_rendered_is_read_back(
    openmetrics: bool, help_text: str, labels: list[tuple[str, str]], value: float, buckets: list[int]
) -> None:
    gauge = Family("g", Kind.GAUGE, help_text)
    page = render(
        [
            (gauge, [Sample(value, {"a": first, "b": second}) for first, second in labels]),
            (LENGTHS, [Histogram(buckets, 1.5)]),
        ],
        openmetrics=openmetrics,
    )
    found = grammar.read(page, openmetrics=openmetrics)
    assert found["g"].help == help_text
    assert found["g"].samples == {("g", (("a", one), ("b", two))): value for one, two in labels}
    assert found["osgp_length_seconds"].samples["osgp_length_seconds_count", ()] == sum(buckets)
