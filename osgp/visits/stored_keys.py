"""The stored keys of a device, as messages see and change them during a visit; in database lanes."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from osgp.catalogue import Profile
from osgp.catalogue.communication import Security
from osgp.devices import key_change_counters, keystore
from osgp.devices.invocation_counters import START_OF_NEW_KEY
from osgp.devices.models import Device, KeyState, KeyType
from osgp.devices.needed_keys import make_missing_key_fault
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.key_transfer import GLOBAL_KEYS
from osgp.protocol_dlms import Keys, Meter
from osgp.requests import key_locks
from osgp.visits.outages import PatientLanes
from osgp.visits.preparing import find_counter
from osgp.visits.switching import confirm_keys, switch_key


@dataclass
class StoredKeys:
    """The keys of one device, for one action. See osgp.messages.device_keys.DeviceKeys.

    ``change`` names the action, so that its next attempt finds what it stored. ``association`` is that of the
    device itself, or of its gateway.
    """

    device_id: int
    identification: str
    session_id: uuid.UUID
    change: uuid.UUID
    association: Meter
    profile: Profile
    database: PatientLanes
    mbus_identification_number: str = ""
    mbus_manufacturer: str = ""
    _new: dict[KeyType, bytes] = field(default_factory=dict, repr=False)
    _has_switched: bool = False

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
        key_locks.take(self.device_id, self.session_id)
        if any(key_type in GLOBAL_KEYS for key_type in secrets):
            self._require_active_keys()
        keystore.store_new(
            Device(pk=self.device_id), secrets, change=self.change, first_counter=START_OF_NEW_KEY
        )

    def _require_active_keys(self) -> None:
        """Raise Fault unless the association has the ACTIVE keys: NEW ones in the meter would be withdrawn."""
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
            confirm_keys(self.association, self.profile, self.database.run)
        self.database.run(keystore.activate_change, self.device_id, key_types, self.change)

    def advance_key_change_counter(self, at_least: int) -> int:
        return self.database.run(key_change_counters.advance, self.device_id, at_least)
