"""Fleets of simulated meters: how they are made up, where they listen and how to add them to a head-end."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from osgp import catalogue
from osgp.catalogue import Profile
from osgp.catalogue.communication import Framing, Security

from .meter.gas_meter import GasMeter
from .meter.identity import MBUS_KEYS, METER_KEYS
from .meter.meter import Meter
from .meter.meter_type import meter_type
from .meter.query import MeterType
from .nonces import Nonces
from .settings import FleetSettings

MIX = "mix"
"""Instead of a profile: all of them in turn."""

METERS_PER_PORT = 16_000
"""Logical device addresses that HDLC can tell apart (14 bits), with some left for its own use."""

_IDENTIFICATION = re.compile(r"([A-Za-z][A-Za-z0-9]*?)([0-9]{1,16})")
_REGISTER = 3
_DEMO_COUNT = 10
_DEMO_GAS = (1, 4, 6)
"""Which of the demonstration's meters with M-Bus channels have a gas meter."""


class Fleet:
    """Meters, in order, by identification in ``meters``.

    ``host`` and ``ports`` say where they can be reached, once a server listens for them.
    """

    def __init__(self, meters: Sequence[Meter], settings: FleetSettings, meters_per_port: int) -> None:
        self.settings = settings
        self.meters: Mapping[str, Meter] = {meter.identification: meter for meter in meters}
        if len(self.meters) != len(meters):
            raise ValueError("two meters have the same identification")
        self.meters_per_port = meters_per_port
        self.host = "127.0.0.1"
        self.ports: tuple[int, ...] = ()
        self._by_address = {(meter.port_index, meter.logical_device_address): meter for meter in meters}

    @classmethod
    def build(
        cls,
        count: int = 10,
        profile: str | Profile | Sequence[str | Profile] = "SMR-5.1",
        *,
        security: Security | Sequence[Security] = Security.HLS5,
        framing: Framing | Sequence[Framing] = Framing.WRAPPER,
        polyphase: bool | Sequence[bool] = (False, True),
        gas_meters: int | Sequence[int] = 0,
        start: str = "SIME0000000000001",
        port_per_meter: bool = False,
        seed: int | None = None,
        shared_keys: bool | None = None,
        settings: FleetSettings | None = None,
    ) -> "Fleet":
        """A fleet of ``count`` electricity meters.

        ``profile`` is a key such as ``SMR-5.1``, ``mix``, or a profile itself; ``polyphase`` is for profiles
        that have registers for both kinds of meters. Where a sequence is given, the
        meters take from it in turn. ``gas_meters`` is how many there are in all, one behind each meter with
        M-Bus channels before any gets a second, or a sequence with the number behind each. ``start`` is the
        identification of the first meter, letters and then digits, which are counted up; ``seed`` and
        ``shared_keys`` are those of the settings. ValueError or LookupError when it cannot be done.
        """
        settings = settings or FleetSettings()
        if seed is not None:
            settings = replace(settings, seed=seed)
        if shared_keys is not None:
            settings = replace(settings, shared_keys=shared_keys)
        if count < 1:
            raise ValueError("a fleet has at least one meter")
        types = _choose_types(count, profile, polyphase)
        attached = _spread_gas_meters(gas_meters, types)
        letters, first, width = _parse_identification(start)
        securities = [Security(each) for each in _cycle(security)]
        framings = [Framing(each) for each in _cycle(framing)]
        per_port = 1 if port_per_meter else METERS_PER_PORT
        meters = []
        for index in range(count):
            number = first + index
            meters.append(
                Meter(
                    f"{letters}{number:0{width}d}",
                    number,
                    types[index],
                    settings,
                    security=securities[index % len(securities)],
                    framing=framings[index % len(framings)],
                    logical_device_address=index % per_port + 1,
                    port_index=index // per_port,
                    gas_meters=tuple(
                        _make_gas_meter(number, channel) for channel in range(1, attached[index] + 1)
                    ),
                )
            )
        return cls(meters, settings, per_port)

    @classmethod
    def demo(cls, *, settings: FleetSettings | None = None) -> "Fleet":
        """Ten electricity meters over all profiles, or as many as there are profiles if these are more; the
        third and the ninth on HDLC, three with a gas meter."""
        count, phases = max(_DEMO_COUNT, len(catalogue.list_profiles())), (False, True)
        framings = [Framing.WRAPPER] * count
        framings[2] = framings[8] = Framing.HDLC
        with_mbus = [place for place, each in enumerate(_choose_types(count, MIX, phases)) if each.channels]
        with_gas = {with_mbus[place] for place in _DEMO_GAS if place < len(with_mbus)}
        return cls.build(
            count,
            MIX,
            framing=framings,
            polyphase=phases,
            gas_meters=[int(place in with_gas) for place in range(count)],
            settings=settings,
        )

    @property
    def nonces(self) -> Nonces:
        """The nonces that the meters have seen, by key."""
        return self.settings.nonces

    @property
    def port_count(self) -> int:
        """How many ports the fleet needs."""
        return max(port_index for port_index, _ in self._by_address) + 1

    def find_meter(self, port_index: int, logical_device_address: int) -> Meter | None:
        """The meter behind a logical device address on one of the ports."""
        return self._by_address.get((port_index, logical_device_address))

    def find_only_meter(self, port_index: int) -> Meter | None:
        """The meter on a port that has no other."""
        return self._by_address.get((port_index, 1)) if self.meters_per_port == 1 else None

    def describe(self) -> list[dict[str, dict[str, Any]]]:
        """For each meter the fields with which it is added to a head-end, and its keys (hexadecimal).

        Gas meters follow their gateway. Before a server listens, ``port`` is left out.
        """
        described = []
        for meter in self.meters.values():
            described.append({"add_device": self._add_device(meter), "keys": _describe_keys(meter)})
            described.extend(self._describe_gas_meter(meter, gas_meter) for gas_meter in meter.gas_meters)
        return described

    def _add_device(self, meter: Meter) -> dict[str, Any]:
        profile = meter.type.profile
        fields: dict[str, Any] = {
            "device_identification": meter.identification,
            "device_type": "SMART_METER_E",
            "protocol_name": profile.protocol_name,
            "protocol_version": profile.protocol_version,
            "communication_method": _choose_communication_method(profile),
            "network_address": self.host,
            "logical_device_address": meter.logical_device_address,
            "transport": meter.framing.value,
            "security": meter.security.value,
            "challenge_length": 16,
            "with_list_max": self.settings.with_list_max,
            "selective_access": True,
            "polyphase": meter.polyphase,
            "timezone": self.settings.zone_name,
        }
        if self.ports:
            fields["port"] = self.ports[meter.port_index]
        return fields

    def _describe_gas_meter(self, gateway: Meter, gas_meter: GasMeter) -> dict[str, dict[str, Any]]:
        profile = gateway.type.profile
        return {
            "add_device": {
                "device_identification": gas_meter.identification,
                "device_type": "SMART_METER_G",
                "protocol_name": profile.protocol_name,
                "protocol_version": profile.protocol_version,
                "communication_method": _choose_communication_method(profile),
                "timezone": self.settings.zone_name,
                "model": gas_meter.model,
                "gateway": gateway.identification,
                "channel": gas_meter.channel,
                "mbus_identification_number": gas_meter.identification_number,
                "mbus_manufacturer": gas_meter.manufacturer,
                "mbus_version": gas_meter.version,
                "mbus_device_type": gas_meter.device_type,
                "mbus_primary_address": gas_meter.primary_address,
            },
            "keys": {name.value: gateway.mbus_key(gas_meter, name).hex() for name in MBUS_KEYS},
        }


def _choose_communication_method(profile: catalogue.Profile) -> str:
    """The newest kind of modem whose diagnostics the profile has; older meters tell nothing of theirs."""
    methods = ("LTE", "GPRS", "CDMA")
    return next((method for method in methods if f"{method}_DIAGNOSTIC" in profile), "GPRS")


def _describe_keys(meter: Meter) -> dict[str, Any]:
    keys = {name.value: meter.key(name).hex() for name in METER_KEYS}
    return {**keys, "lls_password": meter.lls_password}


def _parse_identification(text: str) -> tuple[str, int, int]:
    match = _IDENTIFICATION.fullmatch(text)
    if match is None or len(text) > 40:
        raise ValueError(f"{text[:50]!r} is no identification of letters and then digits")
    letters, digits = match.groups()
    return letters, int(digits), len(digits)


def _choose_types(
    count: int, profile: str | Profile | Sequence[str | Profile], polyphase: bool | Sequence[bool]
) -> list[MeterType]:
    """The types of so many meters."""
    chosen = (
        catalogue.list_profiles() if profile == MIX else [_find_profile(each) for each in _cycle(profile)]
    )
    phases = _cycle(polyphase)
    types = []
    for place in range(count):
        known = chosen[place % len(chosen)]
        types.append(meter_type(known, _is_polyphase(known, phases[place % len(phases)])))
    return types


def _is_polyphase(profile: Profile, asked: bool) -> bool:
    """Whether a meter is polyphase: as asked, unless the profile has registers for the other kind only."""
    registers = [item for item in profile if item.class_id == _REGISTER]
    can = {kind for kind in (False, True) for item in registers if item.supports(polyphase=kind)}
    return asked if asked in can or not can else not asked


def _find_profile(profile: str | Profile) -> Profile:
    if isinstance(profile, Profile):
        return profile
    for known in catalogue.list_profiles():
        if known.key.upper() == profile.upper():
            return known
    raise LookupError(f"there is no profile {profile[:50]!r}")


def _cycle(values: Any) -> list[Any]:
    """What the meters take in turn."""
    cycled = list(values) if isinstance(values, (list, tuple)) else [values]
    if not cycled:
        raise ValueError("there is nothing to choose from")
    return cycled


def _spread_gas_meters(gas_meters: int | Sequence[int], types: Sequence[MeterType]) -> list[int]:
    """How many gas meters are behind each of the meters of these types."""
    if isinstance(gas_meters, int):
        places = [place for place, each in enumerate(types) if each.channels]
        if gas_meters and not places:
            raise ValueError("none of the meters has M-Bus channels for gas meters")
        spread = [0] * len(types)
        for turn, place in enumerate(places):
            spread[place] = gas_meters // len(places) + (turn < gas_meters % len(places))
    else:
        spread = list(gas_meters)
    if len(spread) != len(types):
        raise ValueError(f"there are {len(types)} meters, not {len(spread)}")
    for attached, each in zip(spread, types, strict=True):
        if not 0 <= attached <= len(each.channels):
            raise ValueError(f"a meter of {each.profile.key} takes 0 to {len(each.channels)} gas meters")
    return spread


def _make_gas_meter(number: int, channel: int) -> GasMeter:
    identifying = number * 10 + channel
    return GasMeter(
        identification=f"SIMG{identifying:013d}",
        channel=channel,
        identification_number=f"{identifying % 10**8:08d}",
        primary_address=channel,
    )
