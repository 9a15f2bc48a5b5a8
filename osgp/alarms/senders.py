"""Whose pushes these are: devices by what plain pushes say, and by system title and keys of ciphered ones."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from django.db.models import Q

from osgp.alarms.opening import OpenedPush
from osgp.devices import joined_settings, keystore
from osgp.devices.joined_settings import join_settings
from osgp.devices.keystore import SealedKey
from osgp.devices.models import Device, DeviceKey, KeyState, KeyType
from osgp.protocol_dlms.push import protection
from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.sql import is_one_of

KEY_COLUMNS = (
    "key_type",
    "key_encryption_key_id",
    "wrapped_data_key",
    "ciphertext",
    "state",
    "counter_id",
    "change",
)
"""Those of SealedKey.from_row."""
DEVICE_COLUMNS = (
    "identification",
    "device_type",
    "protocol_name",
    "protocol_version",
    "time_zone",
    "network",
    "network_address",
    "address_is_static",
    "security",
    "system_title",
    "stores_unverified_pushes",
    "keeps_standard_time",
    "gateway",
    "channel",
    *joined_settings.COLUMNS,
)
"""What decoding needs of a device; a row has three times as many."""
AUTHENTICATION = KeyType.E_METER_AUTHENTICATION_KEY
ENCRYPTION = KeyType.E_METER_ENCRYPTION_KEY_UNICAST
NO_KEYS = PushError(PushFault.UNKNOWN_KEY, "No device with this system title has an encryption key.")


@dataclass(frozen=True)
class Deciphered:
    """A ciphered push that opened with the keys of a device. ``counter_id``: of the encryption key."""

    device: Device
    apdu: bytes
    counter_id: int | None


@dataclass
class Senders:
    """The devices that pushes may be of, and their keys; found in three statements for any number."""

    by_key: dict[int, Device] = field(default_factory=dict)
    by_name: dict[str, Device] = field(default_factory=dict)
    by_address: dict[str, list[Device]] = field(default_factory=lambda: defaultdict(list))
    by_title: dict[str, list[Device]] = field(default_factory=lambda: defaultdict(list))
    _keys: dict[int, list[SealedKey]] = field(default_factory=lambda: defaultdict(list), repr=False)

    @classmethod
    def find(cls, opened: Iterable[tuple[OpenedPush, str, int | None]]) -> "Senders":
        """Find the devices of pushes, each given with the address from which it came, and the primary key of
        the device that was visited when it came there, if any."""
        names: set[str] = set()
        titles: set[str] = set()
        addresses: set[str] = set()
        visited: set[int] = set()
        for push, address, device_id in opened:
            if push.protected is not None:
                titles.add(push.protected.system_title.hex().upper())
            elif push.identification:
                names.add(push.identification)
            elif device_id is not None:
                visited.add(device_id)
            else:
                addresses.add(address)
        # Devices of which none is known have an empty one; a push that leaves it out is not of them.
        titles.discard("")
        wanted = Q(identification__in=names) | Q(system_title__in=titles)
        if addresses:
            wanted |= Q(network_address__in=addresses)
        if visited:
            wanted |= Q(pk__in=visited)
        senders = cls()
        devices = join_settings(Device.objects.filter(wanted).only(*DEVICE_COLUMNS))
        for device in devices.order_by("pk"):
            senders.by_key[device.pk] = device
            senders.by_name[device.identification] = device
            senders.by_address[device.network_address].append(device)
            if device.system_title in titles:
                senders.by_title[device.system_title].append(device)
        senders._read_keys({device.pk for found in senders.by_title.values() for device in found})
        return senders

    def find_plain(self, push: OpenedPush, address: str, device_id: int | None) -> Device | None:
        """Return the device that a plain push names, or else the one that was visited, or else the only one
        that is dialled at its address."""
        if push.identification:
            return self.by_name.get(push.identification)
        if device_id is not None:
            return self.by_key.get(device_id)
        found = self.by_address.get(address, [])
        return found[0] if len(found) == 1 else None

    def decipher(self, push: OpenedPush) -> list[Deciphered]:
        """Open a ciphered push with the keys of each device of its system title; return those that fit.

        A meter may be registered twice. Raises PushError if none do: that of the first keys.
        """
        assert push.protected is not None
        found: list[Deciphered] = []
        refusal: PushError | None = None
        for device in self.by_title.get(push.protected.system_title.hex().upper(), []):
            for pair in self._list_pairs(device):
                try:
                    apdu = protection.unprotect(push.apdu, pair.encryption, pair.authentication)
                except PushError as error:
                    refusal = refusal or error
                    continue
                found.append(Deciphered(device, apdu, pair.counter_id))
                break
        if not found:
            raise refusal or NO_KEYS
        return found

    def _read_keys(self, devices: Collection[int]) -> None:
        rows = DeviceKey.objects.filter(
            is_one_of("device", devices),
            key_type__in=(AUTHENTICATION, ENCRYPTION),
            state__in=(KeyState.ACTIVE, KeyState.NEW),
        )
        for device_id, *columns in rows.values_list("device_id", *KEY_COLUMNS):
            self._keys[device_id].append(SealedKey.from_row(columns))

    def _list_pairs(self, device: Device) -> list["_Pair"]:
        """List the keys to try: the ACTIVE ones first, then those of a change that is not finished."""
        sealed = self._keys.get(device.pk, [])
        wanted = (AUTHENTICATION, ENCRYPTION)
        active = keystore.unseal(device.pk, sealed, wanted)
        new = keystore.unseal(device.pk, sealed, wanted, KeyState.NEW)
        counters = {key.state: key.counter_id for key in sealed if key.key_type == ENCRYPTION}
        pairs: list[_Pair] = []
        for encryption, state in ((active, KeyState.ACTIVE), (new, KeyState.NEW)):
            if ENCRYPTION not in encryption:
                continue
            known: list[bytes | None] = [
                keys[AUTHENTICATION] for keys in (active, new) if AUTHENTICATION in keys
            ]
            pairs += [
                _Pair(encryption[ENCRYPTION], authentication, counters.get(state))
                for authentication in known or [None]
            ]
        return pairs


@dataclass(frozen=True)
class _Pair:
    encryption: bytes = field(repr=False)
    authentication: bytes | None = field(repr=False)
    counter_id: int | None
