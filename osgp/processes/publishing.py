"""Publishing of many hints at a time: the broker confirms them together."""

from collections.abc import Callable, Iterable
from typing import Any

from kombu import Connection, Producer
from kombu.exceptions import OperationalError as BrokerError

from osgp.celery import app

CONFIRM_TIMEOUT = 10.0
"""Seconds of silence after which the connection counts as lost."""


class BulkPublisher:
    """A connection to the broker, made on first use. Not thread-safe."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._producer: Producer | None = None
        self._last = 0
        """Number of the latest message on this connection."""
        self._unconfirmed: set[int] = set()

    def send_all(self, hints: Iterable[Callable[[Producer], object]]) -> None:
        """Call each of ``hints``, which sends one. Raises kombu's OperationalError unless all arrive."""
        try:
            producer = self._open()
            for send in hints:
                send(producer)
                self._count_sent()
            self._wait_for_confirms()
        except BaseException as error:
            errors = self._list_errors()
            self.close()
            if isinstance(error, errors):
                raise BrokerError(str(error)) from error
            raise

    def close(self) -> None:
        """Hang up; the next use makes a new connection."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            connection.collect()

    def _open(self) -> Producer:
        if self._producer is None:
            # We wait for confirms ourselves, see below: the transport would wait for each message.
            self._connection = app.connection(transport_options={"confirm_publish": False})
            channel: Any = self._connection.channel()
            self._last, self._unconfirmed = 0, set()
            if _can_confirm(channel):
                channel.confirm_select()
                channel.events["basic_ack"].add(self._on_confirmed)
                channel.events["basic_nack"].add(_on_refused)
            self._producer = app.amqp.Producer(channel)
        return self._producer

    def _list_errors(self) -> tuple[type[Exception], ...]:
        if self._connection is None:
            return (OSError,)
        return (OSError, *self._connection.connection_errors, *self._connection.channel_errors)

    # Confirms (RabbitMQ's extension of AMQP 0-9-1) name messages by their number on the channel; one confirm
    # may cover all up to its number.

    def _count_sent(self) -> None:
        assert self._producer is not None
        if _can_confirm(self._producer.channel):
            self._last += 1
            self._unconfirmed.add(self._last)

    def _on_confirmed(self, number: int, multiple: bool) -> None:
        if multiple:
            self._unconfirmed = {other for other in self._unconfirmed if other > number}
        else:
            self._unconfirmed.discard(number)

    def _wait_for_confirms(self) -> None:
        assert self._connection is not None
        while self._unconfirmed:
            self._connection.drain_events(timeout=CONFIRM_TIMEOUT)


def _can_confirm(channel: Any) -> bool:
    """Whether the transport confirms messages; the in-process one does not need to."""
    return hasattr(channel, "confirm_select")


def _on_refused(number: int, multiple: bool) -> None:
    raise BrokerError("the broker refused a hint")
