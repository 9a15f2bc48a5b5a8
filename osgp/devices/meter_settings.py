"""How to talk to a meter that is different: settings of a device, else of its model, else of its profile.

:class:`MeterSettings` is where a setting is declared: its name, type, default, range, and the reason why a
meter may need it. Fields of the API, of forms and of commands are made from that (:data:`SETTINGS`).
"""

import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

from osgp.catalogue import obis
from osgp.catalogue.communication import Carrier, DeviationSign, Framing, RangeBorders, RangeBounds

LONGEST_PAUSE = 60.0
"""Seconds. A visit that waits longer would be in the way of others."""


class Kind(StrEnum):
    """What values of a setting look like, in JSON."""

    INTEGER = "integer"
    SECONDS = "seconds"
    CHOICE = "choice"
    OBIS_CODE = "obis"
    SYSTEM_TITLE = "title"


class Setting(NamedTuple):
    """The declaration of a setting; ``help`` says why a meter may need it. A range includes both ends."""

    name: str
    kind: Kind
    default: Any
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    enum: type[StrEnum] | None = None
    for_hdlc: bool = False
    """Whether it means nothing without HDLC."""

    def parse(self, value: object) -> Any:
        """Return a value as it is stored in JSON. Raises ValueError, with a text for whoever gave it."""
        return _PARSERS[self.kind](self, value)

    def read(self, text: str) -> Any:
        """As :meth:`parse`, from a text that a person has typed."""
        text = text.strip()
        try:
            if self.kind is Kind.INTEGER:
                return self.parse(int(text))
            if self.kind is Kind.SECONDS:
                return self.parse(float(text))
        except (ValueError, OverflowError):
            raise ValueError(self.describe_values()) from None
        return self.parse(text)

    def describe_values(self) -> str:
        """Say which values there are: ``Must be an integer of 1 to 7.``"""
        if self.kind is Kind.CHOICE:
            return f"Must be one of {', '.join(self.choices)}."
        if self.kind is Kind.OBIS_CODE:
            return "Must be an OBIS code, such as 0-0:43.1.0.255."
        if self.kind is Kind.SYSTEM_TITLE:
            return "Must be 16 hexadecimal digits."
        what = "an integer" if self.kind is Kind.INTEGER else "a number of seconds"
        return f"Must be {what}, {self.minimum:g} to {self.maximum:g}."

    def make(self, value: Any) -> Any:
        """Return a stored value as :class:`MeterSettings` has it."""
        return value if self.enum is None else self.enum(value)

    def describe(self) -> str:
        """Return its help, with its range or unit, and what holds unless it is set."""
        texts = [self.help]
        if self.kind is Kind.SECONDS:
            texts.append(f"{self.minimum:g} to {self.maximum:g} s.")
        if self.default is not None:
            texts.append(
                f"Unless set, {self.default:g}."
                if self.minimum is not None
                else f"Unless set, {self.default}."
            )
        return " ".join(texts)


def _parse_integer(setting: Setting, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not _is_within(setting, value):
        raise ValueError(setting.describe_values())
    if setting.choices and str(value) not in setting.choices:
        raise ValueError(f"Must be one of {', '.join(setting.choices)}.")
    return value


def _parse_seconds(setting: Setting, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_within(setting, value):
        raise ValueError(setting.describe_values())
    return float(value)


def _is_within(setting: Setting, value: float) -> bool:
    assert setting.minimum is not None
    assert setting.maximum is not None
    return setting.minimum <= value <= setting.maximum


def _parse_choice(setting: Setting, value: object) -> str:
    if not isinstance(value, str) or value not in setting.choices:
        raise ValueError(setting.describe_values())
    return str(value)


def _parse_obis_code(setting: Setting, value: object) -> str:
    try:
        if isinstance(value, str):
            return obis.to_text(obis.parse(value))
    except ValueError:
        pass
    raise ValueError(setting.describe_values())


_TITLE = re.compile(r"[0-9A-Fa-f]{16}", re.ASCII)


def _parse_title(setting: Setting, value: object) -> str:
    if not isinstance(value, str) or not _TITLE.fullmatch(value):
        raise ValueError(setting.describe_values())
    return value.upper()


_PARSERS: Mapping[Kind, Callable[[Setting, object], Any]] = {
    Kind.INTEGER: _parse_integer,
    Kind.SECONDS: _parse_seconds,
    Kind.CHOICE: _parse_choice,
    Kind.OBIS_CODE: _parse_obis_code,
    Kind.SYSTEM_TITLE: _parse_title,
}


class _Range(NamedTuple):
    """The smallest and the largest value; ``only``: the only ones between them."""

    minimum: float
    maximum: float
    only: tuple[int, ...] = ()


_FOR_HDLC = "HDLC only."
"""Begins the help of a setting that means nothing without HDLC."""


@dataclass(frozen=True, slots=True)
class MeterSettings:
    """What holds for one meter. None: what the installation has for all, or what the platform finds out.

    The annotation of a setting has its range, its kind if the type does not say it, and its help.
    """

    client_address: Annotated[
        int,
        _Range(1, 0xFFFF),
        "Client address (SAP) of the association. Some meters give the rights of the management client to "
        "another one than 1. With HDLC 126 at most.",
    ] = 1
    server_lower_address: Annotated[
        int | None,
        _Range(1, 0x3FFE),
        _FOR_HDLC,
        "Lower HDLC address, that of the physical device. Meters on a bus, and many behind a modem, answer "
        "only to both parts of their address; the lower one is often 16, or the end of the serial number.",
    ] = None
    server_address_length: Annotated[
        int | None,
        _Range(1, 4, only=(1, 2, 4)),
        _FOR_HDLC,
        "Octets of the server address: 1, 2 or 4. Some meters do not know the short forms.",
    ] = None
    client_system_title: Annotated[
        str | None,
        Kind.SYSTEM_TITLE,
        "System title with which the platform calls, 16 hexadecimal digits. Some meters know only clients "
        "that they were told of, by title. Unless set, that of the installation.",
    ] = None
    counter_object: Annotated[
        str | None,
        Kind.OBIS_CODE,
        "OBIS code of the object with the invocation counter, which the public client reads. It depends on "
        "the security setup and client of the meter. Unless set, that of the profile.",
    ] = None
    connect_deadline: Annotated[
        float | None,
        _Range(1, 120),
        "How long the meter may take to accept a connection: a modem that sleeps takes longer than others. "
        "Unless set, OSGP_CONNECT_DEADLINE_SECONDS.",
    ] = None
    apdu_deadline: Annotated[
        float | None,
        _Range(1, 480),
        "How long the meter may take to answer one request: slow ones take minutes to read a long buffer. "
        "Unless set, OSGP_APDU_DEADLINE_SECONDS.",
    ] = None
    pause_between_connections: Annotated[
        float,
        _Range(0, LONGEST_PAUSE),
        "How long the platform waits after one connection before it makes the next: some meters take none "
        "for a few seconds after one was closed.",
    ] = 0.0
    attempts: Annotated[
        int | None,
        _Range(1, 20),
        "How often a request is tried in all: more where reception is poor, fewer on a costly line. Unless "
        "set, OSGP_MAX_ATTEMPTS.",
    ] = None
    with_list_max: Annotated[
        int,
        _Range(1, 255),
        "Attributes in one GET or SET with list; 1: no lists. Many meters take none, or short ones only.",
    ] = 1
    receive_size: Annotated[
        int,
        _Range(64, 0xFFFF),
        "Octets of the longest APDU that the platform says it takes. Some meters refuse a size above their "
        "own, or send longer blocks than their line carries.",
    ] = 0xFFFF
    hdlc_information_size: Annotated[
        int,
        _Range(32, 2030),
        _FOR_HDLC,
        "Octets of information in a frame that are proposed to the meter. Some confirm more than they can "
        "take; all can take 128.",
    ] = 1024
    hdlc_window: Annotated[
        int,
        _Range(1, 7),
        _FOR_HDLC,
        "Frames that either side may send before it waits for the other. More make slow lines faster, and "
        "some meters lose frames then.",
    ] = 1
    carrier: Annotated[
        Carrier,
        "What carries the octets. Meters on narrow-band radio networks often have UDP only, with the "
        "wrapper.",
    ] = Carrier.TCP
    range_borders: Annotated[
        RangeBorders | None,
        "Which borders the meter counts to a range of a buffer: some leave one of them out. Unless set, the "
        "platform finds out.",
    ] = None
    range_bounds: Annotated[
        RangeBounds | None,
        "How the bounds of a range are told: some meters find nothing if they are told a deviation, or if a "
        "bound is not on the full hour. Unless set, the platform finds out.",
    ] = None
    deviation_sign: Annotated[
        DeviationSign,
        "Sign of the deviation in date-times: some meters count from UTC to local time, which puts each time "
        "hours off.",
    ] = DeviationSign.STANDARD


STANDARD = MeterSettings()


def _read_declaration(name: str, hint: Any) -> Setting:
    plain, *notes = typing.get_args(hint)
    types = [each for each in typing.get_args(plain) or (plain,) if each is not type(None)]
    enum = types[0] if issubclass(types[0], StrEnum) else None
    texts = [note for note in notes if type(note) is str]
    bounds = next((note for note in notes if isinstance(note, _Range)), None)
    choices = tuple(map(str, enum or (bounds.only if bounds else ())))
    said = next((note for note in notes if isinstance(note, Kind)), None)
    kind = Kind.CHOICE if enum else said or {int: Kind.INTEGER, float: Kind.SECONDS}[types[0]]
    return Setting(
        name=name,
        kind=kind,
        default=getattr(STANDARD, name),
        help=" ".join(texts),
        minimum=bounds.minimum if bounds else None,
        maximum=bounds.maximum if bounds else None,
        choices=choices,
        enum=enum,
        for_hdlc=_FOR_HDLC in texts,
    )


SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        name: _read_declaration(name, hint)
        for name, hint in typing.get_type_hints(MeterSettings, include_extras=True).items()
    }
)
"""All settings by name."""

ALL_STATIONS = 0x7F
"""In an address of one octet, and in each part of one of two (Green Book 8.4.2.3, reserved addresses)."""
LARGEST_HDLC_CLIENT = ALL_STATIONS - 1
LARGEST_OF_OCTETS = {1: 0x7E, 2: 0x7E, 4: 0x3FFE}
"""The largest upper or lower address by the octets of the whole address: one more is all stations."""


def check_together(settings: MeterSettings, framing: str, logical_device_address: int) -> dict[str, str]:
    """Return what is wrong with settings that go with a framing and an address, by name of the setting."""
    if framing != Framing.HDLC:
        return {}
    wrong = {}
    if settings.carrier is Carrier.UDP:
        wrong["carrier"] = "UDP goes with the wrapper only, not with HDLC."
    if settings.client_address > LARGEST_HDLC_CLIENT:
        wrong["client_address"] = f"Must be at most {LARGEST_HDLC_CLIENT} with HDLC."
    lower, length = settings.server_lower_address, settings.server_address_length
    largest = LARGEST_OF_OCTETS[length or 4]
    if length == 1 and lower is not None:
        wrong["server_lower_address"] = "An address of 1 octet has no lower part."
    elif lower is not None and lower > largest:
        wrong["server_lower_address"] = f"Must be at most {largest} in an address of {length} octets."
    if length == 2 and lower is None:
        wrong["server_address_length"] = "An address of 2 octets needs server_lower_address."
    elif length and logical_device_address > largest:
        wrong["server_address_length"] = f"The logical device address must then be at most {largest}."
    elif logical_device_address > LARGEST_OF_OCTETS[4] or (
        # Without a lower part and a length, it has the shortest.
        logical_device_address == ALL_STATIONS and lower is None and length is None
    ):
        wrong["logical_device_address"] = f"{logical_device_address} is all stations with HDLC."
    return wrong
