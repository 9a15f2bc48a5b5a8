"""Addresses that were announced for a meter: the next visit tries them, and keeps those that are right.

Whoever announces an address has proven nothing. So it is tried only where both sides authenticate (HLS 5):
elsewhere the platform would tell its password to whoever listens there.
"""

from functools import partial

from osgp.catalogue.communication import Security
from osgp.devices.models import Device
from osgp.requests.work import WorkMeter
from osgp.visits.counter import InLane


def announce(device: Device, address: str) -> bool:
    """Have the next visit try ``address``, in canonical form; whether it does.

    It does not if the address of the device is static, if it is dialled there anyway, or without HLS 5.
    """
    if device.address_is_static or device.security != Security.HLS5 or address == device.network_address:
        return False
    return bool(
        Device.objects.filter(pk=device.pk, address_is_static=False, security=Security.HLS5).update(
            announced_address=address
        )
    )


def keep(meter: WorkMeter, system_title: bytes, run: InLane) -> None:
    """Store the system title of a meter that has authenticated itself with it, and the address where.

    Most visits learn nothing new, and do without the database. ``run`` calls a function that needs it.
    """
    title = system_title.hex().upper()
    if title and (title != meter.system_title or meter.is_announced):
        run(partial(_keep, meter, title))


def _keep(meter: WorkMeter, system_title: str) -> None:
    changes = {"system_title": system_title}
    known = Device.objects.filter(pk=meter.pk)
    if meter.is_announced:
        changes |= {"network_address": meter.network_address, "announced_address": ""}
        known = known.filter(announced_address=meter.network_address)
    known.update(**changes)


def drop(meter: WorkMeter) -> None:
    """Forget an announced address where no meter was found; the next attempt dials the former one.

    Changes nothing if the meter was not called at such an address, or has authenticated itself there.
    """
    if not meter.is_announced:
        return
    Device.objects.filter(pk=meter.pk, announced_address=meter.network_address).update(announced_address="")
