"""Our APDUs are those of gurux-dlms to the octet, invocation counters are drawn once for each."""

import itertools
from typing import Any

import pytest
from gurux_dlms import GXByteBuffer
from gurux_dlms.ConnectionState import ConnectionState
from gurux_dlms.enums import Authentication, InterfaceType
from gurux_dlms.enums import Security as GuruxSecurity
from gurux_dlms.GXDLMS import GXDLMS
from gurux_dlms.GXDLMSLNParameters import GXDLMSLNParameters
from gurux_dlms.secure import GXDLMSSecureClient
from hypothesis import given
from hypothesis import strategies as st

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.axdr import encode_length
from osgp.protocol_dlms.builder import ACTION, GET, SET, RequestBuilder
from osgp.protocol_dlms.gurux import CONFORMANCE
from osgp.protocol_dlms.settings import AssociationSettings, Keys, Security
from tests.protocol_dlms.peers import AUTHENTICATION_KEY, CLIENT_TITLE, ENCRYPTION_KEY, METER_TITLE, Counter

FIRST_COUNTER = 4000


def gurux_client(settings: AssociationSettings, challenge: bytes, receive_size: int) -> Any:
    """A client of gurux's own, with its own cipher and keys of ours."""
    authentication = {
        Security.NONE: Authentication.NONE,
        Security.LLS: Authentication.LOW,
        Security.HLS5: Authentication.HIGH_GMAC,
    }[settings.security]
    client = GXDLMSSecureClient(True, settings.client_address, 1, authentication, None, InterfaceType.PDU)
    client.proposedConformance = CONFORMANCE
    client.maxReceivePDUSize = receive_size
    client.ciphering.systemTitle = settings.client_system_title
    if settings.security is Security.HLS5:
        client.ciphering.security = GuruxSecurity.AUTHENTICATION_ENCRYPTION
        client.ciphering.blockCipherKey = settings.keys.encryption_key
        client.ciphering.authenticationKey = settings.keys.authentication_key
        client.ciphering.invocationCounter = FIRST_COUNTER
        client.ctoSChallenge = challenge
    elif settings.security is Security.LLS:
        client.password = settings.keys.lls_password
    return client


def settings_for(security: Security, length: int, counter: Counter | None = None) -> AssociationSettings:
    keys = {
        Security.NONE: Keys(),
        Security.LLS: Keys(lls_password=bytes(range(length))),
        Security.HLS5: Keys(AUTHENTICATION_KEY, ENCRYPTION_KEY),
    }[security]
    return AssociationSettings(security, keys, counter or Counter(FIRST_COUNTER), 1, CLIENT_TITLE, length)


def gurux_aarq(client: Any) -> bytes:
    """gurux writes the length of the whole in one octet, which a long challenge outgrows."""
    fields = bytes(client.aarqRequest()[0])[2:]
    return b"\x60" + encode_length(len(fields)) + fields


@pytest.mark.parametrize("security", Security)
@given(data=st.data(), receive_size=st.integers(64, 0xFFFF))
def test_an_association_in_the_octets_of_gurux(
    security: Security, data: st.DataObject, receive_size: int
) -> None:
    challenge = data.draw(st.binary(min_size=8, max_size=64))
    settings = settings_for(security, len(challenge))
    ours = RequestBuilder(settings, challenge, receive_size)
    gurux = gurux_client(settings, challenge, receive_size)
    assert ours.build_aarq() == gurux_aarq(gurux)
    gurux.settings.connected |= ConnectionState.DLMS
    gurux.settings.negotiatedConformance = CONFORMANCE
    gurux.settings.maxPduSize = 0xFFFF
    gurux.settings.sourceSystemTitle = METER_TITLE
    services = data.draw(st.lists(st.sampled_from([GET, SET, ACTION]), max_size=20))
    for number, service in enumerate(services, 1):
        ours.advance_invoke_id()
        gurux.settings.invokeId = number & 0x0F
        kind, body = data.draw(st.integers(1, 7)), data.draw(st.binary(max_size=200))
        parameters = GXDLMSLNParameters(gurux.settings, 0, service, kind, GXByteBuffer(body), None, 0xFF)
        assert ours.build_request(service, kind, body) == bytes(GXDLMS.getLnMessages(parameters)[0])
    assert ours.build_rlrq() == bytes(gurux.releaseRequest()[0])
    used = 1 + len(services) if security is Security.HLS5 else 0
    assert ours.counters_used == list(range(FIRST_COUNTER, FIRST_COUNTER + used))


def test_a_challenge_may_look_like_anything_in_the_request() -> None:
    """What is looked for when the request is built is a stand-in, not the challenge itself."""
    for challenge in (b"\xbe\x23\x04\x21\xbe\x23\x04\x21", b"\xa5" * 8, b"\x60\x85\x74\x05\x08\x01\x03\xa6"):
        settings = settings_for(Security.HLS5, len(challenge))
        ours = RequestBuilder(settings, challenge, 1024).build_aarq()
        assert ours == gurux_aarq(gurux_client(settings, challenge, 1024))


def test_associations_share_nothing_but_what_they_have_in_common() -> None:
    """Passwords of one length make requests of one kind, each with its own password."""
    passwords = [bytes((number,)) * 8 for number in range(3)]
    settings = [
        AssociationSettings(Security.LLS, Keys(lls_password=password), None, 1, b"", 16)
        for password in passwords
    ]
    requests = [RequestBuilder(each, b"", 1024).build_aarq() for each in settings]
    for (password, request), (other, _) in itertools.permutations(zip(passwords, requests, strict=True), 2):
        assert password in request
        assert other not in request


@pytest.mark.parametrize("outside", [-1, 2**32])
def test_a_counter_outside_of_its_32_bits_protects_nothing(outside: int) -> None:
    builder = RequestBuilder(settings_for(Security.HLS5, 16, Counter(outside)), bytes(16), 1024)
    with pytest.raises(errors.InvocationCounterExhausted):
        builder.build_aarq()
    assert builder.counters_used == []
