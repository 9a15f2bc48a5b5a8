"""What a slice of pushes brings: alarms, readings and addresses, to be stored together."""

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from osgp import catalogue
from osgp.alarms.counting import UnknownBitKey
from osgp.alarms.models import PushOutcome, ReceivedPush
from osgp.alarms.pushed_readings import list_readings
from osgp.alarms.showing import show_values
from osgp.alarms.storing import NewAlarm
from osgp.catalogue import Profile
from osgp.catalogue.communication import Security
from osgp.cosem.alarms import UnknownAlarm, find_alarms, find_pushed_alarms, make_register_tag
from osgp.cosem.pushes import AlarmPush, UnknownPush, ValuesPush, WakeUpPush
from osgp.cosem.pushes.decoding import Push
from osgp.devices.meter_networks import NOT_DIALLED, is_dialled
from osgp.devices.models import Device
from osgp.ip_networks import list_networks
from osgp.messages.readings import Readings
from osgp.readings import storing as readings_storing
from osgp.sql import is_one_of
from osgp.visits import addressing

MESSAGE = "Push"
"""What readings name as the message that they came with."""
OTHER_TRIGGER = "Alarm register"
"""The trigger of alarms that came as values of a list."""

NO_PROFILE = "none"
"""What counts are told of devices whose protocol has no profile: theirs may be any text."""

Told = tuple[str, dict[str, Any]]
"""The outcome and the details of a push."""


@dataclass
class Gains:
    """What is to be stored."""

    alarms: list[NewAlarm] = field(default_factory=list)
    _readings: list[tuple[ReceivedPush, Device, dict[int | None, list[Readings]]]] = field(
        default_factory=list
    )
    _addresses: dict[int, tuple[Device, str]] = field(default_factory=dict)

    def take(self, said: Push, push: ReceivedPush, device: Device, *, is_verified: bool) -> Told:
        """Note what a push says of a device; return its outcome and details."""
        if isinstance(said, AlarmPush):
            names, unknown = name_alarms(device, said.registers, said.trigger.value)
            self._add_alarm(
                said.registers, names, unknown, said, said.trigger.value, push, device, is_verified
            )
            return PushOutcome.ALARM, {"alarm_types": names, "unknown_bits": unknown}
        if isinstance(said, WakeUpPush):
            return PushOutcome.ADDRESS, self._take_address(said, push, device)
        if isinstance(said, UnknownPush):
            return PushOutcome.UNKNOWN_FORM, {"reason": said.reason}
        return self._take_values(said, push, device, is_verified=is_verified)

    def _add_alarm(
        self,
        registers: Mapping[int, int],
        names: list[str],
        unknown: list[str],
        said: AlarmPush | ValuesPush,
        trigger: str,
        push: ReceivedPush,
        device: Device,
        is_verified: bool,
    ) -> None:
        self.alarms.append(
            NewAlarm(
                device,
                push.received_at,
                trigger,
                alarm_types=names,
                registers=registers,
                unknown_bits=unknown,
                happened_at=said.time,
                is_verified=is_verified,
                push_id=push.pk,
            )
        )

    def _take_address(self, said: WakeUpPush, push: ReceivedPush, device: Device) -> dict[str, Any]:
        details: dict[str, Any] = {"trigger": said.trigger.value}
        if not is_allowed(push.source_address):
            return details | {"reason": "The address is not in WAKE_UP_NETWORKS."}
        if not is_dialled(push.source_address, device.port):
            return details | {"reason": NOT_DIALLED}
        self._addresses[device.pk] = (device, push.source_address)
        return details | {"address": push.source_address}

    def _take_values(
        self, said: ValuesPush, push: ReceivedPush, device: Device, *, is_verified: bool
    ) -> Told:
        details = show_values(said)
        outcome = PushOutcome.VALUES
        registers = {number: value for number, value in said.alarm_registers.items() if 0 < value < 1 << 32}
        if registers:
            names, unknown = name_alarms(device, registers, OTHER_TRIGGER)
            self._add_alarm(registers, names, unknown, said, OTHER_TRIGGER, push, device, is_verified)
            details |= {"alarm_types": names, "unknown_bits": unknown}
            outcome = PushOutcome.ALARM
        columns: dict[int | None, list[Readings]] = defaultdict(list)
        for channel, column in list_readings(said, device, push.received_at):
            columns[channel].append(column)
        if not columns:
            return outcome, details
        if not (is_verified or device.stores_unverified_pushes or device.security == Security.NONE):
            return outcome, details | {"reason": "Nothing proves where it is from: readings are not stored."}
        self._readings.append((push, device, columns))
        return PushOutcome.ALARM if registers else PushOutcome.READINGS, details

    def store_readings(self) -> None:
        """Store readings, those of M-Bus devices with these. Belongs in the transaction of the pushes."""
        mbus_devices = self._find_mbus_devices()
        for push, device, columns in self._readings:
            for channel, readings in columns.items():
                of = device if channel is None else mbus_devices.get((device.pk, channel))
                prepared = None if of is None else readings_storing.prepare(_ReadDevice(of, device), readings)
                if prepared is not None:
                    readings_storing.store(prepared, push.uid, MESSAGE)

    def _find_mbus_devices(self) -> dict[tuple[int | None, int | None], Device]:
        """Return the devices on channels of which there are readings, by gateway and channel: one query."""
        gateways = {device.pk for _, device, columns in self._readings if columns.keys() - {None}}
        if not gateways:
            return {}
        found = Device.objects.filter(is_one_of("gateway", gateways)).only(
            "identification", "gateway", "channel"
        )
        return {(each.gateway_id, each.channel): each for each in found}

    def count_unknown_bits(self) -> Counter[UnknownBitKey]:
        """Count the bits of the alarms that have no meaning, by register and profile."""
        counts: Counter[UnknownBitKey] = Counter()
        for alarm in self.alarms:
            if alarm.unknown_bits:
                profile = _find_profile(alarm.device)
                label = NO_PROFILE if profile is None else profile.key
                counts.update(UnknownBitKey(bit.partition(".")[0], label) for bit in alarm.unknown_bits)
        return counts

    def announce_addresses(self) -> None:
        """Have the next visits try the addresses from which meters said that they are awake."""
        for _, (device, address) in sorted(self._addresses.items()):
            addressing.announce(device, address)


@dataclass(frozen=True)
class _ReadDevice:
    """A device as readings are prepared for it: an M-Bus device has protocol and zone of its gateway."""

    device: Device
    meter: Device

    @property
    def pk(self) -> int:
        return self.device.pk

    @property
    def identification(self) -> str:
        return self.device.identification

    @property
    def protocol_name(self) -> str:
        return self.meter.protocol_name

    @property
    def protocol_version(self) -> str:
        return self.meter.protocol_version

    @property
    def time_zone(self) -> str:
        return self.meter.time_zone

    @property
    def channel(self) -> int | None:
        return self.device.channel


def is_allowed(address: str) -> bool:
    """Return whether a meter may be dialled at an address that somebody announced.

    Listeners tell IPv4 addresses as such, also those of IPv6 sockets.
    """
    found = ipaddress.ip_address(address)
    return any(found in network for network in list_networks("WAKE_UP_NETWORKS"))


def _find_profile(device: Device) -> Profile | None:
    try:
        return device.profile
    except catalogue.UnknownProfile:
        return None


def name_alarms(device: Device, registers: Mapping[int, int], trigger: str) -> tuple[list[str], list[str]]:
    """Return the names of the bits that are set, and those without one as register and bit.

    What Dutch meters push may have a name of another profile than the device's, as some registers cannot be
    read from them. Values of a list have names only in the profile of the device: other makers use others.
    """
    profile = _find_profile(device)
    names: list[str] = []
    unknown: list[str] = []
    for number, value in sorted(registers.items()):
        if trigger != OTHER_TRIGGER:
            known, others = find_pushed_alarms(number, value, profile)
        elif profile is not None and make_register_tag(number) in profile:
            known, others = find_alarms(profile, number, value)
        else:
            known, others = [], [UnknownAlarm(number, bit) for bit in range(32) if value >> bit & 1]
        names += known
        unknown += [f"{alarm.register}.{alarm.bit}" for alarm in others]
    return names, unknown
