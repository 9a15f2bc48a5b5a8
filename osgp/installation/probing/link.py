"""What was agreed with a meter, and how long it takes to connect and to answer."""

import math
from statistics import median

from osgp.devices.meter_settings import SETTINGS
from osgp.installation.probing.probe import Probe, count

TIMES_SLOWEST = 5
"""How much longer than the slowest exchange of a probe one may take: buffers are slower than registers."""
LEAST_APDU_DEADLINE = 10.0
TIMES_CONNECT = 3


def find_agreed(probe: Probe) -> None:
    """Tell the sizes that hold for APDUs and, with HDLC, for frames."""
    agreed, settings = probe.meter.association.agreed, probe.meter.settings
    probe.findings.add(
        "receive_size",
        f"The meter opened the association with {settings.receive_size} octets as ours; it takes APDUs of "
        f"{agreed.receive_size} octets itself.",
        settings.receive_size,
    )
    frames = agreed.frames
    if frames is None:
        return
    size, window = settings.hdlc_information_size, settings.hdlc_window
    probe.findings.add(
        "hdlc_information_size",
        f"Of {size} octets that were proposed, the meter takes {frames.information_size} in a frame.",
        frames.information_size,
    )
    probe.findings.add(
        "hdlc_window",
        f"Of a window of {window}, the meter takes {count(frames.send_window, 'frame')} and sends "
        f"{frames.receive_window} before it waits.",
        min(frames.send_window, frames.receive_window),
    )


def find_deadlines(probe: Probe) -> None:
    """Propose longer deadlines where the meter may need them; shorter ones would gain nothing."""
    meter = probe.meter
    connections = meter.connections
    if connections is None or not probe.seconds:
        return
    deadlines, slowest = connections.deadlines, max(probe.seconds)
    wanted = max(math.ceil(TIMES_SLOWEST * slowest), LEAST_APDU_DEADLINE)
    probe.findings.add(
        "apdu_deadline",
        f"{count(len(probe.seconds), 'exchange')} took {_show(median(probe.seconds))} in the median and "
        f"{_show(slowest)} at most; {deadlines.apdu:g} s are allowed.",
        round(slowest, 3),
        proposed=_limit("apdu_deadline", wanted) if wanted > deadlines.apdu else meter.settings.apdu_deadline,
    )
    connect = meter.association.agreed.connect_seconds
    wanted = math.ceil(TIMES_CONNECT * connect)
    probe.findings.add(
        "connect_deadline",
        f"The connection took {_show(connect)}; {deadlines.connect:g} s are allowed.",
        round(connect, 3),
        proposed=_limit("connect_deadline", wanted)
        if wanted > deadlines.connect
        else meter.settings.connect_deadline,
    )


def _show(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def _limit(name: str, seconds: float) -> float:
    setting = SETTINGS[name]
    assert setting.minimum is not None
    assert setting.maximum is not None
    return float(min(max(seconds, setting.minimum), setting.maximum))
