"""Where meters keep the values of a period, by what their profiles say: what is not kept is not missing."""

from functools import lru_cache

from django.db.models import Q

from osgp import catalogue
from osgp.catalogue import Profile, UnknownProfile
from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.messages.buffers import Buffer
from osgp.messages.registry import UnknownMessage, find_operation
from osgp.monitoring.periodic_reads import PeriodicReads, PeriodType
from osgp.monitoring.periods import find_setting
from osgp.readings.buffers import INTERVAL_SECONDS

FETCHED_BY = {False: "PeriodicMeterReads", True: "PeriodicMeterReadsGas"}
"""The message that fetches what is missing: of an electricity and of an M-Bus meter."""


def find_buffer(device: Device, period: str) -> Buffer | None:
    """Where a device's values of a period are fetched from; None: nowhere, or nobody can tell."""
    try:
        operation = find_operation(FETCHED_BY[device.is_mbus])
        assert isinstance(operation, PeriodicReads)
        return operation.find_buffer(device.profile, PeriodType(period), device.channel)
    except (UnknownMessage, UnknownProfile, Fault, ValueError):
        return None


def make_bufferless_filter(period: str) -> Q:
    """The devices that keep no values of a period: nothing, unless some profile has no buffer for it."""
    found = Q(pk__in=[])
    for is_mbus, message in FETCHED_BY.items():
        try:
            operation = find_operation(message)
        except UnknownMessage:
            continue
        assert isinstance(operation, PeriodicReads)
        tags = operation.buffers[PeriodType(period)]
        for profile in catalogue.list_profiles():
            if not any(tag in profile for tag in tags):
                found |= _make_reader_filter(profile, is_mbus=is_mbus)
    return found


def _make_reader_filter(profile: Profile, *, is_mbus: bool) -> Q:
    """The electricity meters of a profile, or the M-Bus meters behind them."""
    name, version = profile.protocol_name, profile.protocol_version
    if is_mbus:
        return Q(gateway__protocol_name=name, gateway__protocol_version=version)
    return Q(gateway=None, protocol_name=name, protocol_version=version)


def find_step(name: str, version: str, is_mbus: bool, period: str) -> int:
    """Return how far apart the values of a period are, in seconds, as far as the profile says so; 0: it keeps
    none. The devices for which it is 0 are those of :func:`make_bufferless_filter`.

    ``name`` and ``version`` are those of the protocol of the meter that is dialled.
    """
    try:
        return _find_step(name, version, is_mbus, period)
    except UnknownProfile:
        return INTERVAL_SECONDS


@lru_cache
def _find_step(name: str, version: str, is_mbus: bool, period: str) -> int:
    operation = find_operation(FETCHED_BY[is_mbus])
    assert isinstance(operation, PeriodicReads)
    profile = catalogue.find_profile(name, version)
    for tag in operation.buffers[PeriodType(period)]:
        if tag in profile:
            return find_setting(profile[tag], "capture_period") or INTERVAL_SECONDS
    return 0
