"""How a meter may differ from what the books say, for as long as it lives. Each was seen in real meters or
gateways. What goes wrong for a while is in :mod:`.faults`."""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Quirk(StrEnum):
    """One way to differ. Switched on for all meters of a fleet, or for one."""

    # --- Rows of a buffer ------------------------------------------------------------------------------

    RANGE_EXCLUDES_START = "range-excludes-start"
    """A range has the rows after its start, up to and with its end."""
    RANGE_EXCLUDES_END = "range-excludes-end"
    """A range has the rows from its start on, without its end."""
    RANGE_EXCEEDED = "range-exceeded"
    """A range also gets two rows before its start and two after its end."""
    ROWS_NEWEST_FIRST = "rows-newest-first"
    """Rows come in the order of time, the latest first."""
    ROWS_SHUFFLED = "rows-shuffled"
    """Rows come in no order."""
    ROWS_DOUBLED = "rows-doubled"
    """Some rows come twice, with the same values."""
    RANGE_REFUSED = "range-refused"
    """Selective access by range is refused."""
    ENTRIES_REFUSED = "entries-refused"
    """Selective access by entry is refused."""
    BOUNDS_WITHOUT_DEVIATION = "bounds-without-deviation"
    """A range whose bounds have a deviation or a clock status is refused."""
    BOUNDS_ON_HOURS = "bounds-on-hours"
    """A range whose bounds are not on full hours is refused."""
    ALL_COLUMNS_ONLY = "all-columns-only"
    """A range that names columns is refused."""
    EMPTY_RANGE_REFUSED = "empty-range-refused"
    """A range without rows is answered with an access result instead of an empty array."""
    BUFFER_DROPS = "buffer-drops"
    """Every second request for a buffer that the meter would answer with rows ends the connection."""

    # --- Columns and values -----------------------------------------------------------------------------

    OTHER_SCALERS = "other-scalers"
    """Registers count in other powers of ten than the profile says, and their attribute 3 says so."""
    COLUMNS_REORDERED = "columns-reordered"
    """Buffers capture their objects in another order, and capture_objects says so."""
    COLUMNS_FEWER = "columns-fewer"
    """Buffers lack the last register that the profile captures, unless it is their only one, and
    capture_objects says so."""
    COLUMNS_MORE = "columns-more"
    """Buffers capture one more object, and capture_objects says so."""
    NULL_REPEATS = "null-repeats"
    """Null-data in any column of a row stands for the value before; clock and capture time count on by the
    period."""
    DELTAS = "deltas"
    """Registers in buffers come as deltas (tags 28 to 33) to the row before, but in the first row."""
    FLOATS = "floats"
    """Registers are float64 numbers."""
    LONG64 = "long64"
    """Registers are long64-unsigned numbers."""
    STATUS_BIT_STRING = "status-bit-string"
    """AMR profile statuses are bit-strings: the bits of the number, the most significant first."""
    ODD_SIGNAL_QUALITY = "odd-signal-quality"
    """Modems tell the signal quality 32, which has no meaning."""
    ABSURD_CAPTURE_TIMES = "absurd-capture-times"
    """M-Bus values were captured in 1970."""
    REGISTER_REFUSED = "register-refused"
    """One of the registers that the profile lists is refused (object-undefined)."""
    TRAILING_NULLS = "trailing-nulls"
    """An M-Bus channel without device gives null-data: as value, and in its columns from the first row
    on."""

    # --- Clocks -----------------------------------------------------------------------------------------

    NO_DEVIATION = "no-deviation"
    """Date-times have no deviation (8000)."""
    NO_CLOCK_STATUS = "no-clock-status"
    """Date-times have the clock status FF, summer and winter."""
    OPPOSITE_DEVIATION = "opposite-deviation"
    """Deviations have the opposite sign."""

    # --- APDUs ------------------------------------------------------------------------------------------

    NOTIFIES_BETWEEN = "notifies-between"
    """A data-notification or event-notification comes before some answers."""
    ANSWERS_TWICE = "answers-twice"
    """Each answer comes twice, the second time before the next answer; not over HDLC, whose frames are
    counted, nor exception-responses, which nothing tells apart."""
    OTHER_CLIENTS = "other-clients"
    """Frames for another client come before some answers."""
    LISTS_OF_FOUR = "lists-of-four"
    """Lists of more than four attributes are declined with an exception-response."""
    LISTS_MALFORMED = "lists-malformed"
    """Lists are answered with fewer results than were asked for."""
    BAD_BLOCK = "bad-block"
    """One attribute is answered with a block header of an impossible length."""
    KEYS_TOLD_BY_EXCEPTION = "keys-told-by-exception"
    """Wrong keys are answered with exception-response 1/5."""
    PAUSE_NEEDED = "pause-needed"
    """For some seconds after a connection no other is accepted."""
    SMALL_RECEIVE_SIZE = "small-receive-size"
    """APDUs of more than 160 octets are declined: PDU too long."""

    # --- HDLC -------------------------------------------------------------------------------------------

    HDLC_ECHO = "hdlc-echo"
    """The gateway sends back all that it gets."""
    HDLC_NOISE = "hdlc-noise"
    """Stray octets before frames."""
    HDLC_BAD_FCS = "hdlc-bad-fcs"
    """Some frames have a wrong check sequence."""
    HDLC_LOST_FRAMES = "hdlc-lost-frames"
    """Some frames get lost."""
    HDLC_REPEATED_FRAMES = "hdlc-repeated-frames"
    """Some frames come twice."""
    HDLC_NOT_READY = "hdlc-not-ready"
    """The meter is not ready (RNR) before some answers."""
    HDLC_DM_FIRST = "hdlc-dm-first"
    """The first SNRM is answered with DM, and granted after DISC."""


def _pair(one: Quirk, other: Quirk) -> frozenset[Quirk]:
    return frozenset((one, other))


EXCLUSIVE: Mapping[frozenset[Quirk], str] = {
    _pair(Quirk.ROWS_SHUFFLED, Quirk.NULL_REPEATS): "what is left out follows from the order of the rows",
    _pair(Quirk.ROWS_SHUFFLED, Quirk.DELTAS): "what deltas count from follows from the order of the rows",
    _pair(Quirk.ROWS_SHUFFLED, Quirk.ROWS_NEWEST_FIRST): "rows come in one order or in none",
    _pair(Quirk.RANGE_EXCEEDED, Quirk.RANGE_EXCLUDES_START): "a range with more rows lacks none",
    _pair(Quirk.RANGE_EXCEEDED, Quirk.RANGE_EXCLUDES_END): "a range with more rows lacks none",
    _pair(Quirk.FLOATS, Quirk.LONG64): "a register has one data type",
    _pair(Quirk.FLOATS, Quirk.DELTAS): "deltas are whole numbers",
    _pair(Quirk.NO_DEVIATION, Quirk.OPPOSITE_DEVIATION): "there is no deviation to turn",
}
"""Pairs that no meter can have, and why."""


class QuirkError(ValueError):
    """No meter is like that."""


class UnknownQuirk(QuirkError):
    """There is no quirk of that name."""


class ImpossibleQuirks(QuirkError):
    """Two quirks exclude one another."""


def check_quirks(quirks: frozenset[Quirk]) -> None:
    """Raise ImpossibleQuirks if two of them exclude one another."""
    for pair, reason in EXCLUSIVE.items():
        if pair <= quirks:
            raise ImpossibleQuirks(f"{' and '.join(sorted(pair))} exclude one another: {reason}")


def parse_quirks(names: Iterable[str]) -> frozenset[Quirk]:
    """The quirks of these names. Raises UnknownQuirk and ImpossibleQuirks."""
    try:
        quirks = frozenset(Quirk(name) for name in names)
    except ValueError as error:
        raise UnknownQuirk(f"{error}; there are {', '.join(Quirk)}") from None
    check_quirks(quirks)
    return quirks
