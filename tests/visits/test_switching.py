"""Going on with a new key over a carrier that loses datagrams."""

import pytest

from osgp import catalogue
from osgp.devices import fingerprints, invocation_counters
from osgp.devices.models import KeyCounter, KeyType
from osgp.visits.switching import confirm_keys, switch_key
from tests.protocol_dlms.datagram_peers import DatagramMeter, connect_to, losing
from tests.protocol_dlms.peers import ENCRYPTION_KEY, WrapperMeter
from tests.protocol_dlms.test_datagrams import QUICK

pytestmark = pytest.mark.django_db(transaction=True)

FIRST_GET = 2
"""The number of the datagram, after the AARQ and the proof."""


def test_a_key_is_confirmed_although_datagrams_are_lost() -> None:
    """The request is sent three times, each with a value of the counter that is only tried so far."""
    [counter_id] = invocation_counters.ensure(fingerprints.load(), [ENCRYPTION_KEY], None).values()
    peer_side = WrapperMeter(lambda request: b"\xc4\x01" + request[2:3] + b"\x00\x16\x03")
    with (
        DatagramMeter(peer_side, requests=losing(FIRST_GET, FIRST_GET + 1)) as peer,
        connect_to(peer.port, deadlines=QUICK) as association,
    ):
        key_type = KeyType.E_METER_ENCRYPTION_KEY_UNICAST
        switch_key(association, key_type, ENCRYPTION_KEY, counter_id, lambda function: function())
        confirm_keys(association, catalogue.find_profile("SMR", "5.1"))
        assert association.is_open
    assert peer_side.counters[-1] == 252
    assert KeyCounter.objects.get(pk=counter_id).next_value == 253 + 64
