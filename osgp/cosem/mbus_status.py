"""The status of an M-Bus device: 32 bits, which also appear as events in the auxiliary event log."""

STATUS_BITS = 32
RESERVED = "RESERVED"
MANUFACTURER_SPECIFIC = "MANUFACTURER_SPECIFIC"

MBUS_STATUS = (
    "BATTERY_LOW",
    "BATTERY_CONSUMPTION_TOO_HIGH",
    "REVERSE_FLOW",
    "TAMPER_P2",
    "TAMPER_P0",
    "TAMPER_CASE",
    "TAMPER_MAGNETIC",
    "TEMP_OUT_OF_RANGE",
    "CLOCK_SYNC_ERROR",
    "SW_ERROR",
    "WATCHDOG_ERROR",
    "SYSTEM_HW_ERROR",
    "CFG_CALIBRATION_ERROR",
    "HIGH_FLOW_GREATER_THAN_QMAX",
    "TEMP_SENSOR_ERROR",
    RESERVED,
    "P0_ENABLED",
    "NEW_KEY_ACCEPTED",
    "NEW_KEY_REJECTED",
    RESERVED,
    *[MANUFACTURER_SPECIFIC] * 12,
)
"""What each bit means, bit 0 (the least significant) first."""


def status_bits(status: int) -> list[str]:
    """The bits that are set, lowest first, such as ``BIT_2_REVERSE_FLOW``; ValueError beyond 32 bits."""
    if not 0 <= status < 1 << STATUS_BITS:
        raise ValueError(f"an M-Bus status has {STATUS_BITS} bits, not the value {status}")
    return [f"BIT_{bit}_{name}" for bit, name in enumerate(MBUS_STATUS) if status >> bit & 1]
