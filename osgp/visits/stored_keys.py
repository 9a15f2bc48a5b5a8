"""The stored keys of a device, as messages see and change them during a visit; in database lanes."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_granted_devices
from osgp.catalogue import Profile
from osgp.catalogue.communication import Security
from osgp.devices import key_change_counters, keystore
from osgp.devices.invocation_counters import START_OF_NEW_KEY
from osgp.devices.models import MBUS_DEVICE_TYPES, Device, KeyState, KeyType
from osgp.devices.needed_keys import make_missing_key_fault
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.key_transfer import GLOBAL_KEYS
from osgp.messages.registry import find_operation
from osgp.protocol_dlms import Keys, Meter
from osgp.requests import key_locks
from osgp.requests.work import WorkAction
from osgp.visits.outages import PatientLanes
from osgp.visits.preparing import find_counter
from osgp.visits.switching import confirm_keys, switch_key

CHANGES = uuid.UUID("5f0c3e0a-5a57-4b0a-8f5e-6d5b7c1f7a52")
"""Namespace of the changes of keys that actions make."""


@dataclass
class StoredKeys:
    """The keys of one device, for one action. See osgp.messages.device_keys.DeviceKeys.

    ``association`` and ``profile`` are those of the device itself, or of its gateway.
    """

    device_id: int
    identification: str
    action: WorkAction
    association: Meter
    profile: Profile
    database: PatientLanes
    _new: dict[KeyType, bytes] = field(default_factory=dict, repr=False)
    _has_switched: bool = False

    @property
    def change(self) -> uuid.UUID:
        """Names the action, so that its next attempt finds what it stored."""
        return uuid.uuid5(CHANGES, f"{self.action.request.correlation_uid} {self.action.pk}")

    @cached_property
    def _mbus_identity(self) -> tuple[str, str]:
        return self.database.run(_find_mbus_identity, self.device_id)

    @property
    def mbus_identification_number(self) -> str:
        return self._mbus_identity[0]

    @property
    def mbus_manufacturer(self) -> str:
        return self._mbus_identity[1]

    def is_done(self) -> bool:
        """Return whether a former attempt of the action changed the keys: they are ACTIVE, or were since."""
        states = self.database.run(keystore.find_change, self.device_id, self.change)
        return bool(states & {KeyState.ACTIVE, KeyState.EXPIRED})

    def read_active(self, *key_types: KeyType) -> dict[KeyType, bytes]:
        sealed = self.database.run(keystore.read_sealed_keys, self.device_id)
        found = keystore.unseal(self.device_id, sealed, key_types)
        for key_type in key_types:
            if key_type not in found:
                raise make_missing_key_fault(key_type, self.identification)
        return found

    def store_new(self, secrets: Mapping[KeyType, bytes]) -> None:
        self.database.run(self._store_new, secrets)
        self._new = dict(secrets)

    def _store_new(self, secrets: Mapping[KeyType, bytes]) -> None:
        key_locks.take(self.device_id, self.action.request.session_id)
        if any(key_type in GLOBAL_KEYS for key_type in secrets):
            self._require_active_keys()
        keystore.store_new(
            Device(pk=self.device_id), secrets, change=self.change, first_counter=START_OF_NEW_KEY
        )

    def _require_active_keys(self) -> None:
        """Raise Fault unless the association has the ACTIVE keys: those of the meter would be withdrawn."""
        settings = self.association.settings
        if settings.security is not Security.HLS5:
            return
        sealed = keystore.read_sealed_keys(self.device_id)
        active = keystore.unseal(self.device_id, sealed, GLOBAL_KEYS)
        if Keys(*(active.get(key_type) for key_type in GLOBAL_KEYS)) != settings.keys:
            raise Fault(
                FaultCode.UNABLE_TO_PROCESS_REQUEST,
                "A former change of the meter's keys is not finished.",
                component=Component.SECRET_MANAGEMENT,
                retryable=True,
            )

    def use(self, key_type: KeyType) -> None:
        counter_id = None
        if key_type == KeyType.E_METER_ENCRYPTION_KEY_UNICAST:
            counter_id = find_counter(
                self.database.run(keystore.read_sealed_keys, self.device_id), KeyState.NEW
            )
        switch_key(self.association, key_type, self._new[key_type], counter_id, self.database.run)
        self._has_switched = True

    def activate(self, *key_types: KeyType) -> None:
        if self._has_switched:
            confirm_keys(self.association, self.profile)
        self.database.run(keystore.activate_change, self.device_id, key_types, self.change)

    def advance_key_change_counter(self, at_least: int) -> int:
        return self.database.run(key_change_counters.advance, self.device_id, at_least)


def find_mbus_keys(own: StoredKeys, identification_number: str, manufacturer: str) -> StoredKeys:
    """Return the keys of the M-Bus device with this identity, behind the same association.

    Raises Fault 201 if there is none, several, or none on which the organisation may use the message.
    """
    device_id, identification = own.database.run(
        _find_mbus_device, own.action, identification_number, manufacturer
    )
    return StoredKeys(device_id, identification, own.action, own.association, own.profile, own.database)


def _find_mbus_device(action: WorkAction, identification_number: str, manufacturer: str) -> tuple[int, str]:
    organisation = Organisation.objects.get(requests=action.request.pk)
    matching = list(
        list_granted_devices(organisation, find_operation(action.message).granted_to)
        .filter(
            device_type__in=MBUS_DEVICE_TYPES,
            mbus_identification_number=identification_number,
            mbus_manufacturer=manufacturer,
        )
        .values_list("pk", "identification", "gateway")
    )
    coupled = [found for found in matching if found[2] == action.device.pk]
    chosen = coupled or matching
    if len(chosen) != 1:
        raise Fault(
            FaultCode.UNKNOWN_DEVICE,
            f"{'Several devices have' if chosen else 'No device has'} the M-Bus identification "
            f"{manufacturer} {identification_number}.",
            component=Component.PROTOCOL_DLMS,
        )
    return chosen[0][:2]


def _find_mbus_identity(device_id: int) -> tuple[str, str]:
    devices = Device.objects.filter(pk=device_id)
    return devices.values_list("mbus_identification_number", "mbus_manufacturer").get()
