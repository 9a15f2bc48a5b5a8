"""Finishing a change of keys that was cut off: the meter has proven which of the NEW keys it has.

If it has one of the two, it gets the other one as well; if it does not take that, it gets the former one
back. Authentication key and encryption key always end as a pair that belongs together.
"""

import logging
from collections.abc import Collection
from functools import partial

from django.db import transaction

from osgp import catalogue
from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent
from osgp.devices import key_escrow, keystore
from osgp.devices.keystore import SealedKey
from osgp.devices.models import KeyState, KeyType
from osgp.messages.key_transfer import GLOBAL_KEYS, transfer
from osgp.protocol_dlms import Meter
from osgp.protocol_dlms.errors import AccessError
from osgp.requests.work import WorkMeter
from osgp.system_notes.keeping import keep
from osgp.system_notes.kinds import KEY_RECOVERY, KEYS_OF_TWO_CHANGES
from osgp.system_notes.observations import Noticed, Observation
from osgp.visits.calling import KeyPair
from osgp.visits.counter import InLane
from osgp.visits.preparing import find_counter
from osgp.visits.switching import confirm_keys, switch_key

logger = logging.getLogger(__name__)

PLATFORM = "platform"
"""Who finishes a change, in the audit trail."""
_FINISHED = Observation(
    KEY_RECOVERY,
    Noticed(
        "A change of keys had been cut off after the meter took a new key. A visit has finished it.",
        "Nothing: the platform and the meter have the new keys.",
        {"outcome": "FINISHED"},
    ),
)
_GIVEN_BACK = Observation(
    KEY_RECOVERY,
    Noticed(
        "A change of keys had been cut off after the meter took a new key. It refused the other one, and a "
        "visit has given it the former key back.",
        "Send GenerateAndReplaceKeys again if the keys are to be changed.",
        {"outcome": "GIVEN_BACK"},
    ),
)
_NO_MASTER_KEY = Observation(
    KEYS_OF_TWO_CHANGES,
    Noticed(
        "The meter has one key of a change that was cut off, and there is no master key to finish it with.",
        "Register the meter's keys with its master key (AddDevice with overwrite).",
        {"reason": "NO_MASTER_KEY"},
    ),
)
_REFUSED = Observation(
    KEYS_OF_TWO_CHANGES,
    Noticed(
        "The meter has one key of a change that was cut off. It refuses the other one and the former one.",
        "It can still be read, and each visit tries again. Check that its master key is the right one.",
        {"reason": "REFUSED"},
    ),
)


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
        run(partial(_keep, meter, _NO_MASTER_KEY))
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
        run(partial(_keep, meter, _REFUSED))
    else:
        run(partial(_keep, meter, _GIVEN_BACK, Observation(KEYS_OF_TWO_CHANGES, None)))


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


def _keep(meter: WorkMeter, *observations: Observation) -> None:
    keep(meter.pk, observations, None, PLATFORM)


def _activate(meter: WorkMeter, stored: Collection[SealedKey], run: InLane) -> None:
    run(partial(_activate_change, meter, stored))


def _activate_change(meter: WorkMeter, stored: Collection[SealedKey]) -> None:
    changes = {key.change for key in stored if key.state == KeyState.NEW and key.key_type in GLOBAL_KEYS}
    change = changes.pop()
    with transaction.atomic():
        if keystore.activate_change(meter.pk, GLOBAL_KEYS, change):
            record(
                AuditEvent.KEYS_REPLACED,
                organisation="",
                actor=PLATFORM,
                device=meter.identification,
                details={"replaced": [key_type.value for key_type in GLOBAL_KEYS]},
            )
            _keep(meter, _FINISHED)
    if change is not None:
        new = keystore.unseal(meter.pk, stored, GLOBAL_KEYS, KeyState.NEW)
        key_escrow.mark_active(meter.identification, change, new)
