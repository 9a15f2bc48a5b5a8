"""Finishing a change of keys that was cut off: the meter has proven which of the NEW keys it has.

If it has one of the two, it gets the other one as well; if it does not take that, it gets the former one
back. Authentication key and encryption key always end as a pair that belongs together.
"""

import logging
from collections.abc import Collection
from functools import partial

from osgp import catalogue
from osgp.devices import keystore
from osgp.devices.keystore import SealedKey
from osgp.devices.models import KeyState, KeyType
from osgp.messages.key_transfer import GLOBAL_KEYS, transfer
from osgp.protocol_dlms import Meter
from osgp.protocol_dlms.errors import AccessError
from osgp.requests.work import WorkMeter
from osgp.visits.calling import KeyPair
from osgp.visits.counter import InLane
from osgp.visits.preparing import find_counter
from osgp.visits.switching import confirm_keys, switch_key

logger = logging.getLogger(__name__)


def finish_change(
    meter: WorkMeter, association: Meter, pair: KeyPair, stored: Collection[SealedKey], run: InLane
) -> None:
    """Bring a meter that is associated under a ``pair`` with pending keys to a pair that belongs together.

    Raises DLMS errors that end the association; what the meter refuses is left to the next visit.
    """
    missing = [key_type for key_type in GLOBAL_KEYS if key_type not in pair.pending]
    if not missing:
        _activate(meter, stored, run)
        return
    master = keystore.unseal(meter.pk, stored, [KeyType.E_METER_MASTER_KEY]).get(KeyType.E_METER_MASTER_KEY)
    if master is None:
        logger.error("%s has no master key to finish a change of keys with", meter.identification)
        return
    give = partial(_give, meter, association, stored, run, master)
    try:
        give(missing[0], KeyState.NEW)
    except AccessError as refusal:
        logger.warning("%s refuses to finish a change of keys: %s", meter.identification, refusal)
    else:
        _activate(meter, stored, run)
        return
    try:
        give(next(iter(pair.pending)), KeyState.ACTIVE)
    except AccessError as refusal:
        # It goes on with keys of two changes, and can be read.
        logger.error("%s has keys that do not belong together: %s", meter.identification, refusal)


def _give(
    meter: WorkMeter,
    association: Meter,
    stored: Collection[SealedKey],
    run: InLane,
    master: bytes,
    key_type: KeyType,
    state: KeyState,
) -> None:
    """Give the meter a key, and go on with it. Raises AccessError if it refuses."""
    [key] = keystore.unseal(meter.pk, stored, [key_type], state).values()
    profile = catalogue.find_profile(meter.protocol_name, meter.protocol_version)
    transfer(association, profile, key_type, key, master)
    switch_key(association, key_type, key, find_counter(stored, state), run)
    confirm_keys(association, profile)


def _activate(meter: WorkMeter, stored: Collection[SealedKey], run: InLane) -> None:
    changes = {key.change for key in stored if key.state == KeyState.NEW and key.key_type in GLOBAL_KEYS}
    run(partial(keystore.activate_change, meter.pk, GLOBAL_KEYS, changes.pop()))
