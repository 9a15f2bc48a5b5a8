"""A meter with an open association: the interface of this package to the rest of the head-end."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

from osgp.catalogue import is_secret
from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.protocol_dlms import axdr, errors, services
from osgp.protocol_dlms.access import AccessResult, ActionResult
from osgp.protocol_dlms.association import associate, make_challenge
from osgp.protocol_dlms.builder import RequestBuilder
from osgp.protocol_dlms.data import Data, DataType
from osgp.protocol_dlms.deadlines import SessionClock
from osgp.protocol_dlms.declined import call_unless_declined
from osgp.protocol_dlms.each import EachValue, read_each
from osgp.protocol_dlms.selective_access import EntryDescriptor, RangeDescriptor
from osgp.protocol_dlms.session import Session, Statistics
from osgp.protocol_dlms.settings import (
    MANAGEMENT_CLIENT,
    PUBLIC_CLIENT,
    AssociationSettings,
    Deadlines,
    InvocationCounter,
    Keys,
    Limits,
    MeterAddress,
    Security,
    check_address,
)
from osgp.protocol_dlms.steps import Step
from osgp.protocol_dlms.tracing import Trace, Tracer
from osgp.protocol_dlms.transport import Line, Stream, connect, open_link

_UNSIGNED_TYPES = (
    DataType.DOUBLE_LONG_UNSIGNED,
    DataType.UNSIGNED,
    DataType.LONG_UNSIGNED,
    DataType.LONG64_UNSIGNED,
)
_CLOCK_LENGTH = 12
# A list's count, and with SET the second count, ahead of the descriptors.
_LIST_OVERHEAD = 2

P = ParamSpec("P")
T = TypeVar("T")


class Meter:
    """One association with one logical device. Use :meth:`connect`, best in a ``with`` statement.

    Not thread-safe. A failed exchange closes the connection, because the next answer could belong to the
    failed request: later calls raise :class:`errors.MeterClosed`. A refusal by the meter
    (:class:`errors.AccessError`) is not a failed exchange.
    """

    def __init__(self, session: Session, stream: Stream, deadlines: Deadlines, with_list_max: int) -> None:
        self._session = session
        self._stream = stream
        self._deadlines = deadlines
        self._with_list_max = with_list_max
        self._associated = True

    @classmethod
    def connect(
        cls,
        address: MeterAddress,
        *,
        security: Security,
        keys: Keys | None = None,
        counter: InvocationCounter | None = None,
        client_address: int = MANAGEMENT_CLIENT,
        client_system_title: bytes = b"",
        challenge_length: int = 16,
        with_list_max: int = 1,
        deadlines: Deadlines | None = None,
        limits: Limits | None = None,
        trace: Trace | None = None,
        line: Line | None = None,
    ) -> "Meter":
        """Connect to the meter and open an association.

        ``counter`` and ``client_system_title`` (8 octets) are needed for HLS5; ``challenge_length`` is 8 to
        64 octets; ``with_list_max`` is how many attributes one request may name, below 2 for one at a time.
        ``trace`` is called with each APDU in plain form and without secrets. Another thread can close the
        connection through ``line`` at any time, also while it is being set up. Raises the errors of
        :mod:`osgp.protocol_dlms.errors` and those of ``line``; settings are checked before connecting.
        """
        keys = keys or Keys()
        deadlines = deadlines or Deadlines()
        limits = limits or Limits()
        settings = AssociationSettings(
            security, keys, counter, client_address, bytes(client_system_title), challenge_length
        )
        check_address(address, client_address)
        challenge = make_challenge(challenge_length)
        builder = RequestBuilder(settings, challenge, limits.apdu_size)
        with errors.during(Step.CONNECTION):
            stream = connect(address, SessionClock(deadlines), line)
        try:
            with errors.during(Step.DATA_LINK):
                link = open_link(stream, address, client_address, limits)
            tracer = Tracer(trace, keys.list_values()) if trace is not None else None
            session = Session(stream, link, builder, limits, tracer)
            with errors.during(Step.ASSOCIATION):
                associate(session, settings, challenge)
        except BaseException:
            stream.close()
            raise
        return cls(session, stream, deadlines, with_list_max)

    @property
    def statistics(self) -> Statistics:
        """Round trips, octets and invocation counters of this session so far; also after it is closed."""
        return self._session.statistics

    @property
    def settings(self) -> AssociationSettings:
        """The settings of the association, with the keys and the counter in use."""
        return self._session.builder.settings

    @property
    def system_title(self) -> bytes:
        """The system title with which the meter has authenticated itself; empty without HLS 5."""
        deciphering = self._session.deciphering
        return b"" if deciphering is None else deciphering.system_title

    @property
    def is_open(self) -> bool:
        """Whether the association is open."""
        return self._associated

    @property
    def list_size(self) -> int:
        """How many attributes one request may name."""
        return self._fit_get_list()

    @property
    def seconds_left(self) -> float:
        """The seconds left for the session, 0 when they are over."""
        return self._stream.clock.get_session_seconds_left()

    def get(self, attribute: AttributeDescriptor) -> Data:
        """Read one attribute. Raises :class:`errors.AccessError` if the meter refuses."""
        value = self._get(attribute)
        if isinstance(value, AccessResult):
            raise errors.AccessError(value, attribute)
        return value

    def get_many(self, attributes: Sequence[AttributeDescriptor]) -> list[Data | AccessResult]:
        """Read several attributes, in order; a refused one gives the access result."""
        results: list[Data | AccessResult] = []
        size = self._fit_get_list()
        for start in range(0, len(attributes), size):
            chunk = attributes[start : start + size]
            if len(chunk) == 1 or any(is_secret(attribute) for attribute in chunk):
                results += [self._get(attribute) for attribute in chunk]
            else:
                results += self._exchange(services.get_list, chunk)
        return results

    def get_each(self, attributes: Sequence[AttributeDescriptor]) -> Iterator[EachValue]:
        """Read any number of attributes; yields the values in order, as they arrive.

        Unlike with :meth:`get_many`, one failed value does not cost the others: a value that cannot be
        decoded, or that the meter declines with an exception-response, gives the error. Lists that fail as a
        whole are requested again in parts, see :mod:`osgp.protocol_dlms.each`. Raises the errors that end
        the association.
        """
        try:
            for secret, group in groupby(attributes, key=is_secret):
                size = 1 if secret else self._fit_get_list()
                yield from read_each(list(group), size, self._get_list_or_none, self._get_or_error)
        except errors.DlmsError:
            self.close()
            raise

    def set(self, attribute: AttributeDescriptor, data: Data) -> None:
        """Set one attribute. Raises :class:`errors.AccessError` if the meter refuses."""
        result = self._set(attribute, axdr.encode(data))
        if result is not AccessResult.SUCCESS:
            raise errors.AccessError(result, attribute)

    def set_many(self, values: Sequence[tuple[AttributeDescriptor, Data]]) -> list[AccessResult]:
        """Set several attributes, in order, and return the access result of each.

        Raises :class:`errors.EncodeError`, before anything is sent, if a value cannot be encoded.
        """
        encoded = [(attribute, axdr.encode(data)) for attribute, data in values]
        results: list[AccessResult] = []
        most = self._limit_list()
        for start in range(0, len(encoded), most):
            chunk = encoded[start : start + most]
            if len(chunk) == 1 or any(is_secret(attribute) for attribute, _ in chunk):
                results += [self._set(attribute, value) for attribute, value in chunk]
            else:
                results += self._exchange(services.set_list, chunk)
        return results

    def invoke(self, method: MethodDescriptor, parameter: Data | None = None) -> Data | None:
        """Invoke a method and return its return value, if any.

        Raises :class:`errors.AccessError` if the meter refuses.
        """
        encoded = None if parameter is None else axdr.encode(parameter)
        result, raw = self._exchange(services.invoke, method, encoded, secret=is_secret(method))
        if result != ActionResult.SUCCESS:
            raise errors.AccessError(result, method)
        return None if raw is None else axdr.decode(raw)

    def go_on_with(self, keys: Keys, counter: InvocationCounter) -> None:
        """Use other keys, and the counter that belongs to them, from the next request on.

        For HLS5, right after the meter took a key. Raises :class:`errors.InvalidSettings` and its subclasses.
        """
        session = self._session
        settings = replace(session.builder.settings, keys=keys, counter=counter)
        if session.deciphering is None:
            raise errors.InvalidSettings("the association is not ciphered")
        assert keys.encryption_key is not None
        assert keys.authentication_key is not None
        if session.tracer is not None:
            session.tracer.hide(keys.list_values())
        session.builder.go_on_with(settings)
        session.deciphering.go_on_with(keys.encryption_key, keys.authentication_key)

    def confirm_keys(self, attribute: AttributeDescriptor) -> None:
        """Read any attribute, to see that the meter has the keys: a refusal says so as well as a value.

        Raises :class:`errors.InvocationCounterTooLow`, after which the association is still open, and the
        errors that end it.
        """
        if not self._associated:
            raise errors.MeterClosed("the association is closed")
        try:
            services.get(self._session, attribute, b"")
        except errors.InvocationCounterTooLow:
            raise
        except BaseException:
            self.close()
            raise

    def read_profile(
        self, buffer: AttributeDescriptor, selection: RangeDescriptor | EntryDescriptor | None = None
    ) -> list[tuple[object, ...]]:
        """Read the rows of a profile's buffer, each a tuple of plain values.

        A row that is not a structure becomes an empty tuple and does not cost the others. Raises
        :class:`errors.AccessError` if the meter refuses.
        """
        encoded = selection.encode() if selection is not None else b""
        raw = self._exchange(services.get, buffer, encoded)
        if isinstance(raw, AccessResult):
            raise errors.AccessError(raw, buffer)
        rows = axdr.decode_native(raw)
        if rows is None:
            return []
        if not isinstance(rows, tuple):
            raise errors.DecodeError("the buffer of a profile is not an array")
        return [row if isinstance(row, tuple) else () for row in rows]

    def release(self) -> None:
        """Release the association and close the connection.

        Never raises a :class:`errors.DlmsError`, also if the meter answers with an exception or not at all.
        """
        if not self._associated:
            return
        self._associated = False
        try:
            self._session.release(self._deadlines.release)
        except errors.DlmsError:
            # The association ends with the connection anyway.
            pass
        finally:
            self._stream.close()

    def close(self) -> None:
        """Close the connection at once. May be called at any time and more than once."""
        self._associated = False
        self._stream.close()

    def __enter__(self) -> "Meter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            self.release()
        self.close()

    def _fit_get_list(self) -> int:
        """Return the number of attributes per GET; the request must fit the meter's receive size."""
        fitting = (self._session.room - _LIST_OVERHEAD) // services.DESCRIPTOR_LENGTH
        return max(min(self._limit_list(), fitting), 1)

    def _get_list_or_none(
        self, attributes: Sequence[AttributeDescriptor]
    ) -> list[Data | AccessResult] | None:
        """Read a list; None if it failed as a whole and the association is still usable.

        A complete answer to this request keeps the exchange in order, whatever its data.
        """
        raw = self._exchange(call_unless_declined, services.get_encoded_list, attributes)
        if not isinstance(raw, bytes):
            return None
        try:
            return services.decode_list(raw, len(attributes))
        except errors.IllegalResponse:
            return None

    def _get_or_error(self, attribute: AttributeDescriptor) -> EachValue:
        secret = is_secret(attribute)
        raw = self._exchange(call_unless_declined, services.get, attribute, b"", secret=secret)
        if not isinstance(raw, bytes):
            return raw
        try:
            return _decode_value(raw)
        except errors.DecodeError as error:
            return error

    def _limit_list(self) -> int:
        return max(self._with_list_max, 1) if self._session.multiple_references else 1

    def _get(self, attribute: AttributeDescriptor) -> Data | AccessResult:
        raw = self._exchange(services.get, attribute, b"", secret=is_secret(attribute))
        return raw if isinstance(raw, AccessResult) else _decode_value(raw)

    def _set(self, attribute: AttributeDescriptor, value: bytes) -> AccessResult:
        return self._exchange(services.set_, attribute, value, secret=is_secret(attribute))

    def _exchange(
        self, service: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run an exchange, and close the connection if it fails in any way, including an interruption."""
        if not self._associated:
            raise errors.MeterClosed("the association is closed")
        try:
            return service(self._session, *args, **kwargs)
        except errors.ExceptionResponse as answer:
            if not answer.survivable:
                self.close()
            raise
        except BaseException:
            self.close()
            raise


def read_invocation_counter(
    address: MeterAddress,
    counter: AttributeDescriptor,
    deadlines: Deadlines | None = None,
    limits: Limits | None = None,
    trace: Trace | None = None,
    line: Line | None = None,
) -> int:
    """Read the meter's invocation counter for the global unicast key, 0 to 2**32 - 1.

    ``counter`` is an attribute that the public client may read. ``trace`` and ``line`` are those of
    :meth:`Meter.connect`. Raises the errors of :mod:`osgp.protocol_dlms.errors` and those of ``line``.
    """
    with (
        Meter.connect(
            address,
            security=Security.NONE,
            client_address=PUBLIC_CLIENT,
            deadlines=deadlines,
            limits=limits,
            trace=trace,
            line=line,
        ) as meter,
        errors.during(Step.INVOCATION_COUNTER),
    ):
        data = meter.get(counter)
    if data.type not in _UNSIGNED_TYPES or not isinstance(data.value, int) or data.value > 0xFFFFFFFF:
        raise errors.DecodeError("the meter's invocation counter is not an unsigned number of 32 bits")
    return data.value


def _decode_value(raw: bytes) -> Data:
    """Decode one value. Ignores octets after a date-time, which some meters send, but no others."""
    data, end = axdr.decode_prefix(raw)
    if end == len(raw):
        return data
    if data.type in (DataType.OCTET_STRING, DataType.DATE_TIME):
        assert isinstance(data.value, bytes)
        if len(data.value) == _CLOCK_LENGTH:
            return data
    raise errors.DecodeError(f"{len(raw) - end} octets follow the data")
