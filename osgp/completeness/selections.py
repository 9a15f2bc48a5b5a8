"""Which readings should exist, as callers choose them and as batches keep it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from rest_framework.exceptions import ValidationError

from osgp.accounts.caller import Caller
from osgp.accounts.rights import list_granted_devices
from osgp.completeness.gaps import Reason
from osgp.completeness.missing import Question
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup, DeviceGroupMembership
from osgp.devices.models import Device
from osgp.messages.readings import Period
from osgp.networks.models import CommunicationNetwork
from osgp.readings.filters import find_known_devices
from osgp.readings.rights import READERS


@dataclass(frozen=True)
class Selection:
    """Of these devices, the values of a period on the days from ``first`` on and before ``until``."""

    period: str
    first: date
    until: date
    identifications: tuple[str, ...] = ()
    group: DeviceGroup | None = None
    network: CommunicationNetwork | None = None
    device_type: str | None = None
    reasons: frozenset[Reason] = frozenset()
    """Only gaps with one of these; none: all."""

    def ask(self, devices: QuerySet[Device]) -> Question:
        """Return the question about those of the devices that it is about."""
        if self.identifications:
            devices = devices.filter(identification__in=self.identifications)
        if self.group is not None:
            member = DeviceGroupMembership.objects.filter(device=OuterRef("pk"), group=self.group.pk)
            devices = devices.filter(Exists(member))
        if self.network is not None:
            devices = devices.filter(Q(network=self.network.pk) | Q(gateway__network=self.network.pk))
        if self.device_type:
            devices = devices.filter(device_type=self.device_type)
        return Question(devices, self.period, self.first, self.until, self.reasons)

    def as_json(self) -> dict[str, Any]:
        """Return it as a batch keeps it: for people the names, and the primary keys, which stay.

        Two selections of the same have the same JSON.
        """
        return {
            "period": self.period,
            "from": self.first.isoformat(),
            "until": self.until.isoformat(),
            "device": sorted(self.identifications),
            "group": self.group.name if self.group else None,
            "group_id": self.group.pk if self.group else None,
            "network": self.network.name if self.network else None,
            "network_id": self.network.pk if self.network else None,
            "device_type": self.device_type or None,
            "reason": sorted(self.reasons),
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Selection":
        """Return what :meth:`as_json` has told. A group or network that was deleted since has no devices."""
        group, network = kept["group_id"], kept["network_id"]
        return cls(
            kept["period"],
            date.fromisoformat(kept["from"]),
            date.fromisoformat(kept["until"]),
            tuple(kept["device"]),
            None if group is None else DeviceGroup(pk=group, name=kept["group"]),
            None if network is None else CommunicationNetwork(pk=network, name=kept["network"]),
            kept["device_type"],
            frozenset(Reason(reason) for reason in kept["reason"]),
        )


def make_selection(caller: Caller, query: Mapping[str, Any]) -> Selection:
    """Return the selection of a validated :class:`osgp.completeness.filters.MissingFilter`.

    Raises Fault 201 for a device that the caller may not see, ValidationError for an unknown group or
    network.
    """
    organisation = caller.organisation
    if "device" in query:
        find_known_devices(list_granted_devices(organisation, READERS), query["device"])
    group = network = None
    if "group" in query:
        group = groups.find_group(organisation, query["group"])
        if group is None:
            raise ValidationError({"group": ["There is no such group."]})
    if "network" in query:
        network = CommunicationNetwork.objects.filter(name=query["network"]).first()
        if network is None:
            raise ValidationError({"network": ["There is no such network."]})
    return Selection(
        query.get("period", str(Period.INTERVAL)),
        query["from"],
        query["until"],
        tuple(query.get("device", ())),
        group,
        network,
        query.get("device_type"),
        frozenset(Reason(reason) for reason in query.get("reason", ())),
    )


def make_question(caller: Caller, query: Mapping[str, Any]) -> Question:
    """Return the question of a validated filter, about devices that the caller may read.

    Raises as :func:`make_selection` does.
    """
    return make_selection(caller, query).ask(list_granted_devices(caller.organisation, READERS))
