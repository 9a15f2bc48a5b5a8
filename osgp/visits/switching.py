"""Going on with a new key in an open association."""

from dataclasses import replace

from osgp.catalogue import Profile
from osgp.catalogue.communication import Security
from osgp.devices.invocation_counters import START_OF_NEW_KEY
from osgp.devices.models import KeyType
from osgp.messages.key_transfer import SECURITY_SETUP
from osgp.protocol_dlms import Meter
from osgp.protocol_dlms.errors import InvocationCounterTooLow
from osgp.protocol_dlms.session import MOST_SENDS
from osgp.visits.counter import InLane, ReservedCounter

VALUES_OF_A_TRY = MOST_SENDS
"""Counter values for a claim that one request decides."""


def switch_key(
    association: Meter, key_type: KeyType, key: bytes, counter_id: int | None, run: InLane
) -> None:
    """Use a key that the meter just got, from the next request on; nothing if they are not ciphered.

    ``counter_id`` is that of an encryption key. Its values begin low, whatever those of the former key were.
    """
    settings = association.settings
    if settings.security is not Security.HLS5:
        return
    assert settings.counter is not None
    if key_type == KeyType.E_METER_AUTHENTICATION_KEY:
        association.go_on_with(replace(settings.keys, authentication_key=key), settings.counter)
        return
    assert counter_id is not None
    counter = ReservedCounter(counter_id, run=run)
    run(counter.reserve)
    if counter.first is None:
        counter.try_from(START_OF_NEW_KEY, VALUES_OF_A_TRY)
    association.go_on_with(replace(settings.keys, encryption_key=key), counter)


def confirm_keys(association: Meter, profile: Profile) -> None:
    """Make sure that the meter has the keys in use, at the cost of one round trip.

    Some meters begin to count anew with a new encryption key, others go on; the latter say what they expect.
    Raises DLMS errors, after which the association is closed.
    """
    settings = association.settings
    if settings.security is not Security.HLS5:
        return
    counter = settings.counter
    assert isinstance(counter, ReservedCounter)
    attribute = profile[SECURITY_SETUP].address_attribute("security_policy")
    try:
        try:
            association.confirm_keys(attribute)
        except InvocationCounterTooLow as refusal:
            counter.try_from(refusal.expected, VALUES_OF_A_TRY)
            association.confirm_keys(attribute)
        counter.keep()
    except BaseException:
        association.close()
        raise
