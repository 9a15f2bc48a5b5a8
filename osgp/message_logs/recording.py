"""Recording of the APDUs that a visit exchanges with debugged devices.

The log of the visited meter has all of them. The log of an M-Bus device has those of its own actions, and
those that open and release the association. A visit collects in memory and stores in a lane, as visits hold
no connection while they wait for a meter.
"""

import logging
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from osgp import catalogue, platform_time
from osgp.message_logs.models import MessageDirection, MessageLog
from osgp.processes.database import AWAY, lanes
from osgp.protocol_dlms import Direction, TraceRecord
from osgp.protocol_dlms.describe import Describer
from osgp.requests.work import WorkAction, WorkDevice, WorkMeter

logger = logging.getLogger(__name__)

MOST_MESSAGES = 10_000
"""Most messages recorded of one visit."""
MOST_CHARACTERS = 20_000_000
"""Most characters recorded of one visit."""
MOST_OCTETS = 4096
"""Most octets recorded of one APDU."""
SLICE = 200
"""Messages collected before they are stored."""
SLICE_CHARACTERS = 200_000
"""Characters collected before they are stored."""

_DIRECTIONS = {Direction.SENT: MessageDirection.SENT, Direction.RECEIVED: MessageDirection.RECEIVED}


class Recording:
    """The recorded messages of one visit."""

    def __init__(self, session_id: uuid.UUID, meter: WorkMeter) -> None:
        self._session_id = session_id
        self._meter = meter.pk if meter.is_debugged else None
        self._debugged: set[int] = set()
        """M-Bus devices with actions in this visit."""
        self._action: WorkAction | None = None
        self._describer = Describer()
        self._count = 0
        self._characters = 0
        self._rows: list[MessageLog] = []
        self._collected = 0
        """Characters in the collected rows."""

    def expect(self, actions: Iterable[WorkAction]) -> None:
        """Announce actions: opening the association belongs to the logs of their devices as well."""
        self._debugged.update(
            action.device.pk
            for action in actions
            if action.device.is_debugged and action.device.gateway_id is not None
        )

    @property
    def count(self) -> int:
        """The messages recorded so far."""
        return self._count

    @property
    def is_wanted(self) -> bool:
        """Whether any device of the visit is debugged."""
        return self._meter is not None or bool(self._debugged)

    @contextmanager
    def attributing(self, action: WorkAction) -> Iterator[None]:
        """Attribute what is exchanged meanwhile to ``action``."""
        self.expect([action])
        self._action = action
        self._describer.names = _Names(action.device)
        try:
            yield
        finally:
            self._action = None

    def trace(self, record: TraceRecord) -> None:
        """Record an APDU. Never raises: a failure of the log must not end the visit."""
        try:
            self._keep(record)
            if record.direction is Direction.RECEIVED and self._is_slice_full():
                self.store()
        except Exception:
            logger.exception("meter session %s: a message could not be logged", self._session_id)

    def store(self) -> None:
        """Store the collected messages, in a lane. Never raises."""
        rows, self._rows, self._collected = self._rows, [], 0
        if not rows:
            return
        try:
            lanes.run(MessageLog.objects.bulk_create, rows)
        except AWAY:
            logger.warning(
                "meter session %s: %d messages could not be logged, the database is away",
                self._session_id,
                len(rows),
            )
        except Exception:
            logger.exception("meter session %s: %d messages could not be logged", self._session_id, len(rows))

    def _is_slice_full(self) -> bool:
        return len(self._rows) >= SLICE or self._collected >= SLICE_CHARACTERS

    def _is_full(self) -> bool:
        return self._count >= MOST_MESSAGES or self._characters >= MOST_CHARACTERS

    def _keep(self, record: TraceRecord) -> None:
        logs = self._find_logs()
        if not logs or self._is_full():
            return
        self._count += 1
        service, text = self._describer.describe(record)
        apdu = format_hexadecimal(record)
        self._characters += len(text) + len(apdu)
        if self._is_full():
            text = f"The log of this visit ends here: it has grown too long.\n{text}"
        # It was just sent or received, whatever the clock of this machine says.
        action, now = self._action, platform_time.now()
        for device_id in sorted(logs):
            self._collected += len(text) + len(apdu)
            self._rows.append(
                MessageLog(
                    device_id=device_id,
                    session_id=self._session_id,
                    number=self._count,
                    at=now,
                    direction=_DIRECTIONS[record.direction],
                    message=action.message if action else "",
                    correlation_uid=action.request.correlation_uid if action else None,
                    service=service,
                    length=len(record.apdu),
                    apdu=apdu,
                    description=text,
                )
            )

    def _find_logs(self) -> set[int]:
        """Return the devices whose logs the present message belongs to."""
        logs = {self._meter} if self._meter is not None else set()
        if self._action is None:
            return logs | self._debugged
        return logs | ({self._action.device.pk} & self._debugged)


def start_recording(
    session_id: uuid.UUID, meter: WorkMeter, requests: Iterable[Iterable[WorkAction]]
) -> Recording | None:
    """Return a recording for a visit that begins with these actions; None if no device is debugged."""
    started = Recording(session_id, meter)
    for actions in requests:
        started.expect(actions)
    return started if started.is_wanted else None


def attributing(recording: Recording | None, action: WorkAction) -> AbstractContextManager[None]:
    """Attribute what is exchanged meanwhile to ``action``, if there is a recording."""
    return nullcontext() if recording is None else recording.attributing(action)


def format_hexadecimal(record: TraceRecord) -> str:
    """Return the APDU up to ``MOST_OCTETS``, with ``**`` for each hidden octet."""
    text = record.apdu[:MOST_OCTETS].hex()
    for start, end in record.hidden:
        text = text[: 2 * start] + "**" * (min(end, MOST_OCTETS) - start) + text[2 * end :]
    return text


class _Names:
    """Finds the tags of a device's objects."""

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
