"""System checks of the settings of the audit trail."""

from typing import Any

from django.core import checks

from osgp.audit.chain import KeyProblem, load_keys
from osgp.audit.forwarding import InvalidTarget, make_sender


def check_settings(**_: Any) -> list[checks.CheckMessage]:
    """A warning for a key that cannot be read: only workers need it. An error for a target that is none."""
    found: list[checks.CheckMessage] = []
    try:
        load_keys()
    except KeyProblem as error:
        found.append(checks.Warning(str(error), id="audit.W001"))
    try:
        make_sender()
    except InvalidTarget as error:
        hint = "udp://host:port, tcp://host:port, file:///path or stdout"
        found.append(checks.Error(f"OSGP_AUDIT_SYSLOG: {error} is none of these: {hint}", id="audit.E001"))
    return found
