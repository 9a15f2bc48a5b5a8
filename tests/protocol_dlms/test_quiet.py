"""Nothing of gurux-dlms reaches the console, and nothing of it decides about trust."""

import subprocess
import sys

import pytest

from osgp.protocol_dlms import MeterAddress, read_invocation_counter
from tests.protocol_dlms.peers import METER_TITLE, Peer, WrapperMeter, seal, tlv
from tests.protocol_dlms.sessions import ENERGY, INVOCATION_COUNTER, session


def energy(request: bytes) -> bytes:
    return b"\xc4\x01" + request[2:3] + bytes.fromhex("000600003039")


def test_a_secured_session_prints_and_logs_nothing(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    with session(WrapperMeter(energy)) as meter:
        meter.get(ENERGY)
    with Peer(WrapperMeter(energy, hls=False, client=16)) as peer:
        read_invocation_counter(MeterAddress("127.0.0.1", peer.port), INVOCATION_COUNTER)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_what_gurux_prints_when_it_deciphers_is_silenced(capfd: pytest.CaptureFixture[str]) -> None:
    """The noisiest of its code paths, which would show itself if the silence failed."""
    from gurux_dlms import GXByteBuffer
    from gurux_dlms.AesGcmParameter import AesGcmParameter
    from gurux_dlms.GXCiphering import GXCiphering
    from gurux_dlms.secure import GXDLMSSecureClient

    from tests.protocol_dlms.peers import AUTHENTICATION_KEY, ENCRYPTION_KEY

    client = GXDLMSSecureClient()
    parameter = AesGcmParameter(0, METER_TITLE, ENCRYPTION_KEY, AUTHENTICATION_KEY)
    sealed = tlv(0xCC, seal(METER_TITLE, 3, b"plain"))
    assert bytes(GXCiphering.decrypt(client.settings, parameter, GXByteBuffer(sealed))) == b"plain"
    assert capfd.readouterr() == ("", "")


def test_the_package_needs_neither_django_nor_gevent() -> None:
    code = (
        "import sys, osgp.protocol_dlms\n"
        "print(*[name for name in ('django', 'gevent', 'celery') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
    assert result.stderr == ""
