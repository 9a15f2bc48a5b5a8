"""Giving a meter a new global key (security setup, class 64, method 2: global_key_transfer or key_transfer).

One key in each call, wrapped with the meter's master key (RFC 3394): some meters take no more than one.
"""

from collections.abc import Mapping

from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from osgp.catalogue import Profile
from osgp.devices.models import KeyType
from osgp.protocol_dlms import Data, DataType, Meter
from osgp.protocol_dlms.errors import KeysNotAccepted, OutcomeNotTold, UnableToDecipher

SECURITY_SETUP = "SECURITY_SETUP"
GLOBAL_KEYS = (KeyType.E_METER_AUTHENTICATION_KEY, KeyType.E_METER_ENCRYPTION_KEY_UNICAST)
"""The keys of an association, in the order in which a meter gets them."""
KEY_IDS: Mapping[KeyType, int] = {
    KeyType.E_METER_ENCRYPTION_KEY_UNICAST: 0,
    KeyType.E_METER_ENCRYPTION_KEY_BROADCAST: 1,
    KeyType.E_METER_AUTHENTICATION_KEY: 2,
}
"""Blue Book, security setup, key_id."""


def transfer(association: Meter, profile: Profile, key_type: KeyType, key: bytes, master_key: bytes) -> None:
    """Give the meter a key. Raises AccessError if it refuses; it may have taken the key all the same.

    If its answer cannot be understood or deciphered, or it cannot decipher what we sent, it may have other
    keys than it said. The association is closed then: the next one finds out, so that is worth an attempt.
    """
    item = Data(
        DataType.STRUCTURE,
        (
            Data(DataType.ENUM, KEY_IDS[key_type]),
            Data(DataType.OCTET_STRING, aes_key_wrap(master_key, key)),
        ),
    )
    security_setup = profile[SECURITY_SETUP]
    name = "global_key_transfer" if security_setup.class_version == 0 else "key_transfer"
    try:
        association.invoke(security_setup.address_method(name), Data(DataType.ARRAY, (item,)))
    except (OutcomeNotTold, UnableToDecipher, KeysNotAccepted) as error:
        error.retryable = True
        association.close()
        raise
