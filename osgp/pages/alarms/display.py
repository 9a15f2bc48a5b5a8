"""What alarms and pushes look like in lists and on pages."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from osgp.alarms.gains import name_alarms
from osgp.alarms.keeping import GOOD
from osgp.alarms.models import Alarm, PushOutcome, ReceivedPush
from osgp.alarms.storing import NO_KNOWN_ALARM
from osgp.cosem.alarms import REGISTER_BITS
from osgp.devices.models import Device
from osgp.pages.shared.display_text import NOTHING, draw_badge
from osgp.pages.shared.page import get_page_url

MOST_BITS = 4 * REGISTER_BITS
"""Bits that a page lists; no meter has that many alarm registers."""


@dataclass(frozen=True)
class Bit:
    """A bit that is set in an alarm register."""

    number: int
    names: Sequence[str]
    """In the profile of the device, as it is known now; none: the profile gives it no meaning."""
    was_unknown: bool
    """Whether it had no name when the alarm was received."""


@dataclass(frozen=True)
class Register:
    """An alarm register as a meter pushed it."""

    number: str
    value: int
    bits: Sequence[Bit]

    @property
    def hexadecimal(self) -> str:
        """All bits, as meters and their manuals write them."""
        return f"0x{self.value:08X}"


def list_registers(alarm: Alarm) -> list[Register]:
    """The registers of an alarm, bit by bit."""
    registers: list[Register] = []
    left = MOST_BITS
    for number, value in sorted(alarm.registers.items()):
        bits = [bit for bit in range(REGISTER_BITS) if value >> bit & 1][:left]
        left -= len(bits)
        registers.append(Register(number, value, [_describe_bit(alarm, number, bit) for bit in bits]))
    return registers


def _describe_bit(alarm: Alarm, register: str, bit: int) -> Bit:
    names, _ = name_alarms(alarm.device, {int(register): 1 << bit}, alarm.trigger)
    return Bit(bit, names, f"{register}.{bit}" in alarm.unknown_bits)


def draw_names(names: Sequence[str]) -> SafeString:
    """Names of alarms; lines end between them, or at the underscores of a long one."""
    return format_html_join(
        ", ",
        '<span class="alarm-name">{}</span>',
        (
            (format_html_join(mark_safe("_<wbr>"), "{}", ((part,) for part in name.split("_"))),)
            for name in names
        ),
    )


def draw_kind(kind: str) -> SafeString | str:
    """The kind of a group: its names."""
    return "no known alarm" if kind == NO_KNOWN_ALARM else draw_names(kind.split(", "))


def draw_alarm(alarm: Alarm) -> SafeString:
    """What an alarm says, in a line: the names, and the bits that have none as register and bit."""
    names = draw_names(alarm.alarm_types)
    if not alarm.unknown_bits:
        return names or SafeString("no bit is set")
    word = "unknown bit" if len(alarm.unknown_bits) == 1 else "unknown bits"
    bits = ", ".join(alarm.unknown_bits[:MOST_BITS])
    return format_html('{} <span class="quiet">{} {}</span>', names, word, bits)


def draw_state(*, is_open: bool) -> SafeString:
    """Whether somebody has acknowledged it."""
    return draw_badge("OPEN", tone="warning") if is_open else draw_badge("ACKNOWLEDGED")


def draw_verified(is_verified: bool) -> SafeString:
    """Whether its authentication tag was right. What was not verified looks like nothing to rely on."""
    if is_verified:
        return SafeString('<span title="It came ciphered with the keys of the meter">verified</span>')
    return SafeString('<span class="quiet" title="Anybody may have sent it">not verified</span>')


@dataclass(frozen=True)
class AlarmRow:
    """A line of a table of alarms."""

    alarm: Alarm
    state: SafeString
    names: SafeString
    verified: SafeString


def draw_row(alarm: Alarm) -> AlarmRow:
    """For the page of its device."""
    state = draw_state(is_open=alarm.acknowledged_at is None)
    return AlarmRow(alarm, state, draw_alarm(alarm), draw_verified(alarm.is_verified))


def draw_outcome(outcome: str) -> SafeString:
    """What became of a push, as a badge."""
    return draw_badge(outcome, tone=find_tone(outcome))


def find_tone(outcome: str) -> str:
    """What an outcome means to an operator."""
    if outcome in GOOD:
        return "good"
    if outcome == PushOutcome.WAITING:
        return "waiting"
    if outcome == PushOutcome.DOUBLED:
        return "neutral"
    return "warning" if outcome == PushOutcome.UNKNOWN_SENDER else "bad"


def link_device(device: Device | None, *, may_see: bool = True) -> SafeString | str:
    """A device by its name, and its page if the user may open that."""
    if device is None:
        return NOTHING
    if not may_see:
        return device.identification
    return format_html('<a href="{}">{}</a>', get_page_url(Device, device.pk), device.identification)


def format_source(push: ReceivedPush) -> str:
    """From where a push came: ``TCP 192.0.2.7:4059``."""
    address = str(push.source_address)
    host = f"[{address}]" if ":" in address else address
    return f"{push.transport} {host}:{push.source_port}"
