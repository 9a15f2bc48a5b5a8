"""The meter's side of DLMS/COSEM on the wire, without any I/O.

Every module turns bytes into values or values into bytes and keeps no socket, clock or random source of its
own. Errors are split by whose fault they are: :class:`~osgp.simulator.codec.errors.RemoteProtocolError` is
raised for bytes of the peer that make no sense, :class:`~osgp.simulator.codec.errors.LocalProtocolError` for
values of ours that cannot be encoded.
"""
