"""The APDUs of the client: each ciphered one with a new invocation counter."""

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.ciphering import Ciphering, compute_gmac
from osgp.protocol_dlms.gurux import build_association_request, build_release_request
from osgp.protocol_dlms.settings import AssociationSettings, Security

GET, SET, ACTION = 0xC0, 0xC1, 0xC3
GLO_INITIATE_REQUEST = 0x21
# glo-get-request and the like, relative to the request's own tag.
_GLO = 8
# The invoke id's octet: high priority, confirmed.
_PRIORITY = 0xC0


class RequestBuilder:
    """Builds the APDUs of one association.

    ``challenge`` is CtoS, for HLS; ``receive_size`` is the size of the longest APDU that the meter may send.
    """

    def __init__(self, settings: AssociationSettings, challenge: bytes, receive_size: int) -> None:
        self._settings = settings
        self._receive_size = receive_size
        self._authentication_value = b""
        self._ciphering: Ciphering | None = None
        if settings.security is Security.HLS5:
            self._authentication_value = challenge
            self._ciphering = _make_ciphering(settings)
        elif settings.security is Security.LLS:
            assert settings.keys.lls_password is not None
            self._authentication_value = settings.keys.lls_password
        self.invoke_id = 0
        self.counters_used: list[int] = []
        """The invocation counters drawn so far, in order."""

    @property
    def is_ciphering(self) -> bool:
        return self._ciphering is not None

    @property
    def settings(self) -> AssociationSettings:
        return self._settings

    def go_on_with(self, settings: AssociationSettings) -> None:
        """Use other keys, and the counter that belongs to them, from the next request on."""
        self._settings = settings
        self._ciphering = _make_ciphering(settings)

    def build_aarq(self) -> bytes:
        """Return the association request."""
        request = build_association_request(
            self._settings.security,
            self._settings.client_system_title,
            len(self._authentication_value),
            self._receive_size,
        )
        information = request.initiate_request
        if self._ciphering is not None:
            information = self._ciphering.protect(GLO_INITIATE_REQUEST, self._draw_counter(), information)
        return request.fill(self._authentication_value, information)

    def build_hls_proof(self, challenge: bytes) -> bytes:
        """Return f(StoC) for pass 3, with a new invocation counter."""
        settings = self._settings
        assert settings.keys.encryption_key is not None
        assert settings.keys.authentication_key is not None
        return compute_gmac(
            settings.keys.encryption_key,
            settings.keys.authentication_key,
            settings.client_system_title,
            self._draw_counter(),
            challenge,
        )

    def advance_invoke_id(self) -> None:
        """Start a new service invocation: all its requests and responses have ``invoke_id``, 0 to 15."""
        self.invoke_id = (self.invoke_id + 1) & 0x0F

    def build_request(self, service: int, request_type: int, body: bytes) -> bytes:
        """Return a GET, SET or ACTION request with the current invoke id, ciphered if the association is."""
        plain = self.build_plain_request(service, request_type, body)
        if self._ciphering is None:
            return plain
        return self._ciphering.protect(service + _GLO, self._draw_counter(), plain)

    def build_plain_request(self, service: int, request_type: int, body: bytes) -> bytes:
        """Return the request of :meth:`build_request` without protection, for a trace."""
        return bytes((service, request_type, _PRIORITY | self.invoke_id)) + body

    def build_rlrq(self) -> bytes:
        """Return the release request."""
        return build_release_request()

    def _draw_counter(self) -> int:
        assert self._settings.counter is not None
        drawn = self._settings.counter.take_value()
        if not 0 <= drawn <= 0xFFFFFFFF:
            raise errors.InvocationCounterExhausted("the invocation counter left its 32 bits")
        self.counters_used.append(drawn)
        return drawn


def _make_ciphering(settings: AssociationSettings) -> Ciphering:
    keys = settings.keys
    assert keys.encryption_key is not None
    assert keys.authentication_key is not None
    return Ciphering(keys.encryption_key, keys.authentication_key, settings.client_system_title)
