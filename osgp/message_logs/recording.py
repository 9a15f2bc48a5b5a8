"""Keeps what is exchanged with debugged devices during a visit.

The log of the meter that is visited has everything. The log of an M-Bus device has what is exchanged while
something is done for it, and how the association was opened and released. A visit collects in memory and
stores in a lane, as visits hold no connection while they wait for a meter.
"""

import logging
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from osgp import catalogue
from osgp.message_logs.models import MessageDirection, MessageLog
from osgp.processes.database import AWAY, lanes
from osgp.protocol_dlms import Direction, TraceRecord
from osgp.protocol_dlms.describe import Describer
from osgp.requests.work import WorkAction, WorkDevice, WorkMeter

logger = logging.getLogger(__name__)

MOST_MESSAGES = 10_000
"""Kept of one visit."""
MOST_CHARACTERS = 20_000_000
"""The same in what they take up."""
MOST_OCTETS = 4096
"""Kept of one APDU."""
SLICE = 200
"""Messages collected before they are stored."""
SLICE_CHARACTERS = 200_000
"""The same in what they take up."""

_DIRECTIONS = {Direction.SENT: MessageDirection.SENT, Direction.RECEIVED: MessageDirection.RECEIVED}


class Recording:
    """The messages of one visit."""

    def __init__(self, session_id: uuid.UUID, meter: WorkMeter) -> None:
        self._session_id = session_id
        self._meter = meter.pk if meter.is_debugged else None
        self._debugged: set[int] = set()
        """M-Bus devices that something was done for."""
        self._action: WorkAction | None = None
        self._describer = Describer()
        self._count = 0
        self._characters = 0
        self._rows: list[MessageLog] = []
        self._collected = 0
        """Characters of them."""

    def expect(self, actions: Iterable[WorkAction]) -> None:
        """These will be carried out: opening the association is part of the logs of their devices."""
        self._debugged.update(
            action.device.pk
            for action in actions
            if action.device.is_debugged and action.device.gateway_id is not None
        )

    @property
    def is_wanted(self) -> bool:
        """Whether anybody looks on."""
        return self._meter is not None or bool(self._debugged)

    @contextmanager
    def of(self, action: WorkAction) -> Iterator[None]:
        """What is exchanged meanwhile belongs to ``action``."""
        self.expect([action])
        self._action = action
        self._describer.names = _Names(action.device)
        try:
            yield
        finally:
            self._action = None

    def trace(self, record: TraceRecord) -> None:
        """Keep an APDU. Never raises: whatever goes wrong with a log must not end the visit."""
        try:
            self._keep(record)
            if record.direction is Direction.RECEIVED and self._is_slice_full():
                self.store()
        except Exception:
            logger.exception("session %s: a message could not be logged", self._session_id)

    def store(self) -> None:
        """Store what was collected, in a lane. Never raises."""
        rows, self._rows, self._collected = self._rows, [], 0
        if not rows:
            return
        try:
            lanes.run(MessageLog.objects.bulk_create, rows)
        except AWAY:
            logger.warning(
                "session %s: %d messages could not be logged, the database is away",
                self._session_id,
                len(rows),
            )
        except Exception:
            logger.exception("session %s: %d messages could not be logged", self._session_id, len(rows))

    def _is_slice_full(self) -> bool:
        return len(self._rows) >= SLICE or self._collected >= SLICE_CHARACTERS

    def _is_full(self) -> bool:
        return self._count >= MOST_MESSAGES or self._characters >= MOST_CHARACTERS

    def _keep(self, record: TraceRecord) -> None:
        logs = self._logs()
        if not logs or self._is_full():
            return
        self._count += 1
        service, text = self._describer.describe(record)
        apdu = hexadecimal(record)
        self._characters += len(text) + len(apdu)
        if self._is_full():
            text = f"The log of this visit ends here: it has grown too long.\n{text}"
        action = self._action
        for device_id in sorted(logs):
            self._collected += len(text) + len(apdu)
            self._rows.append(
                MessageLog(
                    device_id=device_id,
                    session_id=self._session_id,
                    number=self._count,
                    at=record.at,
                    direction=_DIRECTIONS[record.direction],
                    message=action.message if action else "",
                    correlation_uid=action.request.correlation_uid if action else None,
                    service=service,
                    length=len(record.apdu),
                    apdu=apdu,
                    description=text,
                )
            )

    def _logs(self) -> set[int]:
        """The devices in whose logs the present message stands."""
        logs = {self._meter} if self._meter is not None else set()
        if self._action is None:
            return logs | self._debugged
        return logs | ({self._action.device.pk} & self._debugged)


def recording(
    session_id: uuid.UUID, meter: WorkMeter, requests: Iterable[Iterable[WorkAction]]
) -> Recording | None:
    """For a visit that begins with these actions; None when nobody looks on."""
    started = Recording(session_id, meter)
    for actions in requests:
        started.expect(actions)
    return started if started.is_wanted else None


def recorded(recording: Recording | None, action: WorkAction) -> AbstractContextManager[None]:
    """What is exchanged meanwhile belongs to ``action``."""
    return nullcontext() if recording is None else recording.of(action)


def hexadecimal(record: TraceRecord) -> str:
    """The APDU up to ``MOST_OCTETS``, with ``**`` for each octet that is hidden."""
    text = record.apdu[:MOST_OCTETS].hex()
    for start, end in record.hidden:
        text = text[: 2 * start] + "**" * (min(end, MOST_OCTETS) - start) + text[2 * end :]
    return text


class _Names:
    """The tags of a device's objects."""

    def __init__(self, device: WorkDevice) -> None:
        try:
            self._profile: catalogue.Profile | None = catalogue.find_profile(
                device.protocol_name, device.protocol_version
            )
        except catalogue.UnknownProfile:
            self._profile = None

    def __call__(self, logical_name: bytes) -> str:
        found = self._profile.find_by_logical_name(logical_name) if self._profile is not None else None
        if found is None:
            return ""
        cosem_object, channel = found
        return cosem_object.tag if channel is None else f"{cosem_object.tag} (channel {channel})"
