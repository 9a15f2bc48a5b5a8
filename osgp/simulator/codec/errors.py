"""Whose fault an encoding or decoding error is."""


class ProtocolError(Exception):
    """Base of the codec's errors."""


class LocalProtocolError(ProtocolError):
    """We tried to encode something that has no encoding: a defect on our side."""


class RemoteProtocolError(ProtocolError):
    """The peer sent bytes that break the protocol."""


class DecipheringError(RemoteProtocolError):
    """A ciphered APDU of the peer failed its authentication, or its security control is not the agreed
    one."""
