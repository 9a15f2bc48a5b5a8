"""A meter with an open association: the interface of this package to the rest of the head-end."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

from osgp.catalogue import is_secret
from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.protocol_dlms import axdr, errors, services
from osgp.protocol_dlms.access import AccessResult, ActionResult
from osgp.protocol_dlms.agreed import Agreed
from osgp.protocol_dlms.answers import decode_elements, decode_rows, decode_value, telling_the_outcome
from osgp.protocol_dlms.association import associate, make_challenge
from osgp.protocol_dlms.budget import MAX_PLAIN_ELEMENTS, Budget
from osgp.protocol_dlms.builder import RequestBuilder
from osgp.protocol_dlms.data import Data
from osgp.protocol_dlms.deadlines import SessionClock
from osgp.protocol_dlms.each import EachValue, ListRequests, ListSize
from osgp.protocol_dlms.selective_access import EntryDescriptor, RangeDescriptor
from osgp.protocol_dlms.session import Session, Statistics
from osgp.protocol_dlms.settings import (
    MANAGEMENT_CLIENT,
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
from osgp.protocol_dlms.transport import Line, Stream, connect, find_receive_size, open_link

MOST_EXCEPTIONS = 5
"""Requests in a row that a meter may decline with an exception-response before the association ends: it may
have lost it."""
_LISTS = (services.get_encoded_list, services.set_list)

EncodedSetting = tuple[AttributeDescriptor, bytes]
P = ParamSpec("P")
T = TypeVar("T")


class Meter:
    """One association with one logical device. Use :meth:`connect`, best in a ``with`` statement.

    Not thread-safe. A failed exchange closes the connection, because the next answer could belong to the
    failed request: later calls raise :class:`errors.MeterClosed`. A complete answer to the request is not a
    failed exchange, whether the meter refuses or nobody understands it, see :mod:`osgp.protocol_dlms.errors`.
    """

    def __init__(self, session: Session, stream: Stream, deadlines: Deadlines, with_list_max: int) -> None:
        self._session = session
        self._stream = stream
        self._deadlines = deadlines
        self._get_size = ListSize(with_list_max)
        self._set_size = ListSize(with_list_max)
        self._exceptions = 0
        """Requests in a row that were declined with an exception-response."""
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
        64 octets; ``with_list_max`` is how many attributes one request may name, below 2 for one at a time:
        best the ``list_size_learned`` of a former association, if there is one.
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
        builder = RequestBuilder(settings, challenge, find_receive_size(address, limits))
        with errors.during(Step.CONNECTION):
            stream = connect(address, SessionClock(deadlines), line)
        try:
            with errors.during(Step.DATA_LINK):
                link = open_link(stream, address, client_address, limits.for_link())
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
    def list_size_learned(self) -> int | None:
        """How many attributes one GET may name, if the meter turned out to take fewer than ``with_list_max``.

        None while nothing is known to be wrong with that.
        """
        return self._get_size.learned

    @property
    def list_size(self) -> int:
        """How many attributes one GET may name."""
        return min(self._get_size.size, self._fit_get_list())

    @property
    def agreed(self) -> Agreed:
        """What was agreed with the meter."""
        return self._session.agreed

    @property
    def seconds_left(self) -> float:
        """The seconds left for the session, 0 when they are over."""
        return self._stream.clock.get_session_seconds_left()

    def get(self, attribute: AttributeDescriptor) -> Data:
        """Read one attribute. Raises :class:`errors.AccessError` if the meter refuses."""
        return decode_value(self._get(attribute), attribute, self._session.make_budget())

    def get_elements(self, attribute: AttributeDescriptor, take: Callable[[Iterator[Data]], T]) -> T:
        """Read an array, and return what ``take`` makes of its elements, decoded as it asks for them."""
        return decode_elements(self._get(attribute), attribute, take, self._session.make_budget())

    def get_many(self, attributes: Sequence[AttributeDescriptor]) -> list[Data | AccessResult]:
        """Read several attributes, in order; a refused one gives the access result.

        Raises the error of the first answer that cannot be understood, or of the first attribute that the
        meter declines with an exception-response; the others are not read then.
        """
        results: list[Data | AccessResult] = []
        for value in self.get_each(attributes):
            if isinstance(value, errors.IllegalResponse):
                raise value
            results.append(value)
        return results

    def get_each(self, attributes: Sequence[AttributeDescriptor]) -> Iterator[EachValue]:
        """Read any number of attributes; yields the values in order, as they arrive.

        Unlike with :meth:`get_many`, a value that cannot be decoded, is too large, or is declined with an
        exception-response gives the error and does not cost the others. Lists that fail are requested again
        in parts (``each``). Raises the errors that end the association.
        """
        budget = self._session.make_budget()
        ways = partial(self._get_list_or_none, budget), partial(self._get_or_error, budget)
        reader = ListRequests(self._get_size, *ways)
        for secret, group in groupby(attributes, key=is_secret):
            yield from reader.request(list(group), 1 if secret else self._fit_get_list())

    def get_list(self, attributes: Sequence[AttributeDescriptor]) -> list[Data | AccessResult]:
        """Read attributes with one request, whether or not the meter takes such lists: raises if not."""
        raw = self._exchange(services.get_encoded_list, attributes)
        if isinstance(raw, AccessResult):
            raise errors.AccessError(raw, attributes[0])
        return services.decode_list(raw, attributes, self._session.make_budget())

    def set(self, attribute: AttributeDescriptor, data: Data) -> None:
        """Set one attribute. Raises :class:`errors.AccessError` if the meter refuses, and
        :class:`errors.OutcomeNotTold` if its answer cannot be understood.
        """
        result = self._set((attribute, axdr.encode(data)))
        if result is not AccessResult.SUCCESS:
            raise errors.AccessError(result, attribute)

    def set_many(self, values: Sequence[tuple[AttributeDescriptor, Data]]) -> list[AccessResult]:
        """Set several attributes, in order, and return the access result of each.

        A list that the meter declines with an exception-response before it did any of it is sent again in
        parts. Raises :class:`errors.EncodeError`, before anything is sent, if a value cannot be encoded, and
        :class:`errors.OutcomeNotTold` if an answer cannot be understood; the rest is not sent then.
        """
        encoded = [(attribute, axdr.encode(data)) for attribute, data in values]
        writer = ListRequests(self._set_size, self._set_list_or_none, self._set)
        results: list[AccessResult] = []
        for secret, group in groupby(encoded, key=lambda each: is_secret(each[0])):
            results += writer.request(list(group), 1 if secret else self._fit_set_list())
        return results

    def invoke(self, method: MethodDescriptor, parameter: Data | None = None) -> Data | None:
        """Invoke a method and return its return value, if any.

        Raises :class:`errors.AccessError` if the meter refuses, and :class:`errors.OutcomeNotTold` if its
        answer cannot be understood.
        """
        encoded = None if parameter is None else axdr.encode(parameter)
        with telling_the_outcome():
            result, raw = self._exchange(services.invoke, method, encoded, secret=is_secret(method))
            returned = None if raw is None else axdr.decode(raw)
        if result != ActionResult.SUCCESS:
            raise errors.AccessError(result, method)
        return returned

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
        except errors.DecodeError:
            pass  # Authentic, which is all that matters here.
        except errors.InvocationCounterTooLow:
            raise
        except (errors.KeysNotAccepted, errors.UnableToDecipher) as error:
            # The meter does not have the keys that it said it took: the next association finds out which.
            error.retryable = True
            self.close()
            raise
        except BaseException:
            self.close()
            raise

    def read_profile(
        self, buffer: AttributeDescriptor, selection: RangeDescriptor | EntryDescriptor | None = None
    ) -> list[tuple[object, ...]]:
        """Read the rows of a profile's buffer, each a tuple of plain values.

        A row that is not a structure becomes an empty tuple and does not cost the others. Raises
        :class:`errors.AccessError` if the meter refuses, and :class:`errors.RequestTooLong`, before anything
        is sent, if the selection does not fit the meter's receive size: try one with fewer columns, or all.
        """
        raw = self._get(buffer, b"" if selection is None else selection.encode())
        return decode_rows(raw, self._session.make_budget(MAX_PLAIN_ELEMENTS))

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

    def _get(self, attribute: AttributeDescriptor, selection: bytes = b"") -> bytes:
        raw = self._exchange(services.get, attribute, selection, secret=is_secret(attribute))
        if isinstance(raw, AccessResult):
            raise errors.AccessError(raw, attribute)
        return raw

    def _fit_get_list(self) -> int:
        """Return the number of attributes per GET that fit the meter's receive size."""
        return self._fit_list(self._session.room)

    def _fit_set_list(self) -> int:
        """Return the number of attributes per SET whose descriptors fit: the values may go in blocks."""
        return self._fit_list(self._session.room - services.BLOCK_HEADER_LENGTH - 1)

    def _fit_list(self, room: int) -> int:
        return services.count_descriptors(room) if self._session.multiple_references else 1

    def _get_list_or_none(
        self, budget: Budget, attributes: Sequence[AttributeDescriptor]
    ) -> Sequence[EachValue] | None:
        """Read a list, one by one if it is too large; None if it failed and the association is usable."""
        try:
            raw = self._exchange(services.get_encoded_list, attributes)
            return services.decode_list(raw, attributes, budget) if isinstance(raw, bytes) else None
        except errors.ValueTooLarge:
            return [self._get_or_error(budget, attribute) for attribute in attributes]
        except errors.IllegalResponse as error:
            if error.ends_association:
                raise
            return None

    def _get_or_error(self, budget: Budget, attribute: AttributeDescriptor) -> EachValue:
        try:
            raw = self._exchange(services.get, attribute, b"", secret=is_secret(attribute))
            return raw if isinstance(raw, AccessResult) else decode_value(raw, attribute, budget)
        except errors.IllegalResponse as error:
            if not self._associated:
                raise
            return error

    def _set_list_or_none(
        self, chunk: Sequence[tuple[AttributeDescriptor, bytes]]
    ) -> list[AccessResult] | None:
        """Set a list; None if the meter declined it before it did any of it."""
        try:
            with telling_the_outcome():
                return self._exchange(services.set_list, chunk)
        except errors.ExceptionResponse as answer:
            if not answer.declines_untouched:
                raise
            return None

    def _set(self, item: EncodedSetting) -> AccessResult:
        attribute, value = item
        with telling_the_outcome():
            return self._exchange(services.set_, attribute, value, secret=is_secret(attribute))

    def _exchange(
        self, service: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run an exchange, and close the connection if it fails in any way, including an interruption.

        Also if the meter has declined too many requests in a row. Lists do not count: it may take none.
        """
        if not self._associated:
            raise errors.MeterClosed("the association is closed")
        try:
            answer = service(self._session, *args, **kwargs)
        except errors.ExceptionResponse as exception:
            self._exceptions += service not in _LISTS
            if exception.ends_association or self._exceptions > MOST_EXCEPTIONS:
                self.close()
            raise
        except errors.DlmsError as error:
            if error.ends_association:
                self.close()
            raise
        except BaseException:
            self.close()
            raise
        self._exceptions = 0
        return answer
