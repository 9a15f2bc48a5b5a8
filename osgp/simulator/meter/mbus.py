"""Values of the M-Bus channels: gas meters behind an electricity meter."""

from osgp.catalogue.units import ScalerUnit, Unit

from ..codec.axdr import (
    DataType,
    double_long_unsigned,
    enum,
    long_unsigned,
    octet_string,
    structure,
    unsigned,
)
from ..codec.cosem_time import encode_date_time
from . import history
from .gas_meter import GasMeter
from .identity import manufacturer_id
from .load_curve import START
from .metered import ripple
from .query import Query
from .registry import count_of, number_of, text_of, value_of, value_of_class

HOUR = 3_600
FIVE_MINUTES = 300
_NEVER = bytes.fromhex("FFFFFFFFFFFFFFFFFF8000FF")
_LITRES = ScalerUnit(-3, Unit.M3)
_BATTERY = ("BATTERY_LOW", "BATTERY_CONSUMPTION_TOO_HIGH")
_BROKEN = ("SW_ERROR", "WATCHDOG_ERROR", "SYSTEM_HW_ERROR", "CFG_CALIBRATION_ERROR")


def _find_attached(query: Query) -> GasMeter | None:
    return query.meter.gas_meter(query.channel or 0, query.moment)


def _capture_moment(query: Query, period: int) -> float:
    return query.moment // period * period


def _measure_volume(query: Query, period: int) -> int:
    if _find_attached(query) is None:
        return 0
    return query.meter.household.gas_volume(_capture_moment(query, period), query.channel or 0)


def _capture_time(query: Query, period: int) -> bytes:
    if _find_attached(query) is None:
        return octet_string(_NEVER)
    return octet_string(encode_date_time(query.local_time(_capture_moment(query, period))))


@count_of("MBUS_MASTER_VALUE", _LITRES)
def hourly_volume(query: Query) -> int:
    """Litres at the last full hour."""
    return _measure_volume(query, HOUR)


@count_of("MBUS_MASTER_VALUE_5MIN", _LITRES)
def five_minute_volume(query: Query) -> int:
    """Litres at the last full five minutes."""
    return _measure_volume(query, FIVE_MINUTES)


@value_of("MBUS_MASTER_VALUE", "capture_time")
def hourly_capture_time(query: Query) -> bytes:
    """The last full hour."""
    return _capture_time(query, HOUR)


@value_of_class("extended_register", "capture_time")
@value_of("MBUS_MASTER_VALUE_5MIN", "capture_time")
def five_minute_capture_time(query: Query) -> bytes:
    """The last full five minutes."""
    return _capture_time(query, FIVE_MINUTES)


@text_of("MBUS_DEVICE_ID_1")
def mbus_device_id(query: Query) -> str:
    """The identification of the gas meter; empty when there is none."""
    gas_meter = _find_attached(query)
    return gas_meter.identification if gas_meter else ""


@text_of("MBUS_DEVICE_CONFIG_MODEL")
def mbus_device_model(query: Query) -> str:
    """The model's name."""
    gas_meter = _find_attached(query)
    return gas_meter.model if gas_meter else ""


@value_of("MBUS_DEVICE_CONFIG_HARDWARE_VERSION", data_type=DataType.OCTET_STRING)
@value_of("MBUS_DEVICE_CONFIG_METROLOGY_VERSION", data_type=DataType.OCTET_STRING)
@value_of("MBUS_DEVICE_CONFIG_OTHER_FIRMWARE_VERSION", data_type=DataType.OCTET_STRING)
@value_of("MBUS_DEVICE_CONFIG_SIMPLE_VERSION_INFO", data_type=DataType.OCTET_STRING)
def mbus_version_info(query: Query) -> bytes:
    """Four octets."""
    return octet_string(bytes.fromhex("00400011") if _find_attached(query) else b"")


@value_of_class("mbus_client", "primary_address")
def primary_address(query: Query) -> bytes:
    """The address on the bus; 0 on an empty channel."""
    gas_meter = _find_attached(query)
    return unsigned(gas_meter.primary_address if gas_meter else 0)


@value_of_class("mbus_client", "identification_number")
def identification_number(query: Query) -> bytes:
    """8 digits: as BCD in version 0 of the class, as a plain number from version 1."""
    gas_meter = _find_attached(query)
    if gas_meter is None:
        return double_long_unsigned(0)
    plain = query.entry.class_version >= 1
    return double_long_unsigned(int(gas_meter.identification_number, 10 if plain else 16))


@value_of_class("mbus_client", "manufacturer_id")
def manufacturer(query: Query) -> bytes:
    """Three letters in 15 bits."""
    gas_meter = _find_attached(query)
    return long_unsigned(manufacturer_id(gas_meter.manufacturer) if gas_meter else 0)


@value_of_class("mbus_client", "version")
def version(query: Query) -> bytes:
    """The version of the device."""
    gas_meter = _find_attached(query)
    return unsigned(gas_meter.version if gas_meter else 0)


@value_of_class("mbus_client", "device_type")
def device_type(query: Query) -> bytes:
    """3: gas."""
    gas_meter = _find_attached(query)
    return unsigned(gas_meter.device_type if gas_meter else 0)


@value_of_class("mbus_client", "access_number")
def access_number(query: Query) -> bytes:
    """Counts the telegrams of the device."""
    return unsigned(int(query.moment) // HOUR % 256 if _find_attached(query) else 0)


@value_of_class("mbus_client", "status")
def mbus_client_status(query: Query) -> bytes:
    """The status octet of the last telegram: bit 2 low power, bit 3 permanent error."""
    if _find_attached(query) is None:
        return unsigned(0)
    status = history.mbus_status(query.meter, query.channel or 0, query.moment)
    events = query.meter.type.events
    low_power, broken = status & events.status_mask(_BATTERY), status & events.status_mask(_BROKEN)
    return unsigned((0x04 if low_power else 0) | (0x08 if broken else 0))


@value_of_class("mbus_client", "alarm")
def mbus_client_alarm(query: Query) -> bytes:
    """1 after an alarm of the device, until alarms are reset."""
    return unsigned(int(history.mbus_alarm(query.meter, query.channel or 0, query.moment)))


@number_of("READ_MBUS_STATUS")
def mbus_status(query: Query) -> float:
    """The 32 status bits that have not been cleared."""
    if _find_attached(query) is None:
        return 0
    return history.mbus_status(query.meter, query.channel or 0, query.moment)


@value_of_class("mbus_client", "encryption_key_status")
def encryption_key_status(query: Query) -> bytes:
    """From 0, no encryption key, to 4, encryption key in use."""
    return enum(query.meter.mbus_key_status(query.channel or 0, query.moment))


@value_of_class("mbus_diagnostic", "received_signal_strength")
def received_signal_strength(query: Query) -> bytes:
    """In dBm, as the class stores it."""
    if _find_attached(query) is None:
        return unsigned(0)
    return unsigned(84 + ripple(query.meter.identification, query.moment, f"rssi{query.channel}", 12, HOUR))


@value_of_class("mbus_diagnostic", "link_status")
def link_status(query: Query) -> bytes:
    """2: normal; 0: no data received yet."""
    return enum(2 if _find_attached(query) else 0)


def _count_frames(query: Query, share: int) -> bytes:
    """One frame each hour since commissioning, of which one in ``share``."""
    if _find_attached(query) is None:
        return double_long_unsigned(0)
    return double_long_unsigned(int(max(query.moment - START, 0)) // HOUR // share)


@value_of_class("mbus_diagnostic", "transmissions_counter")
def transmissions(query: Query) -> bytes:
    """Frames sent to the device."""
    return _count_frames(query, 24)


@value_of_class("mbus_diagnostic", "fcs_ok_frames_counter")
def good_frames(query: Query) -> bytes:
    """Frames with a correct check sequence."""
    return _count_frames(query, 1)


@value_of_class("mbus_diagnostic", "fcs_nok_frames_counter")
def broken_frames(query: Query) -> bytes:
    """Frames with a wrong check sequence."""
    return _count_frames(query, 200)


@value_of_class("mbus_diagnostic", "capture_time")
def diagnostic_capture_time(query: Query) -> bytes:
    """Which attribute was captured, and when."""
    moment = encode_date_time(query.local_time(_capture_moment(query, FIVE_MINUTES)))
    return structure(unsigned(2), octet_string(moment if _find_attached(query) else _NEVER))
