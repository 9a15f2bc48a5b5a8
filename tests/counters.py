"""Invocation counters of devices: those of their ACTIVE encryption keys."""

from osgp.devices import invocation_counters
from osgp.devices.invocation_counters import END
from osgp.devices.models import Device, DeviceKey, KeyCounter, KeyState, KeyType


def counter_of(device: Device) -> int | None:
    """The first value that nobody has reserved; None: unknown."""
    counter = invocation_counters.find_active(device.pk)
    assert counter is not None, "the device has no encryption key"
    return counter.next_value


def set_counter(value: int | None, device: Device | None = None) -> None:
    """Set the counter of a device, or of all keys, as nothing but a test does."""
    counters = KeyCounter.objects.all()
    if device is not None:
        of_device = DeviceKey.objects.filter(
            device=device, state=KeyState.ACTIVE, key_type=KeyType.E_METER_ENCRYPTION_KEY_UNICAST
        )
        counters = counters.filter(pk__in=of_device.values("counter"))
    counters.update(next_value=value, free_until=END, tried=[])
