"""The words for codes with which a meter declines: one table for each kind of code.

Sources: Green Book 9.5 (abstract syntax of AARE-apdu, ExceptionResponse and ConfirmedServiceError) and, for
the choices of ServiceError, IEC 61334-4-41. Depends on nothing.
"""

from collections.abc import Mapping

ASSOCIATION_RESULTS = {0: "accepted", 1: "rejected-permanent", 2: "rejected-transient"}
"""Association-result of an AARE."""

USER_DIAGNOSTICS = {
    0: "null",
    1: "no-reason-given",
    2: "application-context-name-not-supported",
    3: "calling-AP-title-not-recognized",
    4: "calling-AP-invocation-identifier-not-recognized",
    5: "calling-AE-qualifier-not-recognized",
    6: "calling-AE-invocation-identifier-not-recognized",
    7: "called-AP-title-not-recognized",
    8: "called-AP-invocation-identifier-not-recognized",
    9: "called-AE-qualifier-not-recognized",
    10: "called-AE-invocation-identifier-not-recognized",
    11: "authentication-mechanism-name-not-recognised",
    12: "authentication-mechanism-name-required",
    13: "authentication-failure",
    14: "authentication-required",
}
"""Associate-source-diagnostic, acse-service-user."""

PROVIDER_DIAGNOSTICS = {0: "null", 1: "no-reason-given", 2: "no-common-acse-version"}
"""Associate-source-diagnostic, acse-service-provider."""

STATE_ERRORS = {1: "service-not-allowed", 2: "service-unknown"}
"""State-error of an exception-response."""

SERVICE_ERRORS = {
    1: "operation-not-possible",
    2: "service-not-supported",
    3: "other-reason",
    4: "pdu-too-long",
    5: "deciphering-error",
    6: "invocation-counter-error",
}
"""Service-error of an exception-response."""

CONFIRMED_SERVICES = {
    1: "initiate-error",
    2: "get-status",
    3: "get-name-list",
    4: "get-variable-attribute",
    5: "read",
    6: "write",
    7: "get-data-set-attribute",
    8: "get-TI-attribute",
    9: "change-scope",
    10: "start",
    11: "stop",
    12: "resume",
    13: "make-usable",
    14: "initiate-load",
    15: "load-segment",
    16: "terminate-load",
    17: "initiate-upload",
    18: "upload-segment",
    19: "terminate-upload",
}
"""The service that a confirmed-service-error is about."""

CONFIRMED_SERVICE_ERRORS: Mapping[int, tuple[str, Mapping[int, str]]] = {
    0: (
        "application-reference",
        {
            0: "other",
            1: "time-elapsed",
            2: "application-unreachable",
            3: "application-reference-invalid",
            4: "application-context-unsupported",
            5: "provider-communication-error",
            6: "deciphering-error",
        },
    ),
    1: (
        "hardware-resource",
        {
            0: "other",
            1: "memory-unavailable",
            2: "processor-resource-unavailable",
            3: "mass-storage-unavailable",
            4: "other-resource-unavailable",
        },
    ),
    2: (
        "vde-state-error",
        {
            0: "other",
            1: "no-dlms-context",
            2: "loading-data-set",
            3: "status-nochange",
            4: "status-inoperable",
        },
    ),
    3: ("service", {0: "other", 1: "pdu-size", 2: "service-unsupported"}),
    4: (
        "definition",
        {
            0: "other",
            1: "object-undefined",
            2: "object-class-inconsistent",
            3: "object-attribute-inconsistent",
        },
    ),
    5: (
        "access",
        {
            0: "other",
            1: "scope-of-access-violated",
            2: "object-access-violated",
            3: "hardware-fault",
            4: "object-unavailable",
        },
    ),
    6: (
        "initiate",
        {
            0: "other",
            1: "dlms-version-too-low",
            2: "incompatible-conformance",
            3: "pdu-size-too-short",
            4: "refused-by-the-VDE-handler",
        },
    ),
    7: (
        "load-data-set",
        {
            0: "other",
            1: "primitive-out-of-sequence",
            2: "not-loadable",
            3: "dataset-size-too-large",
            4: "not-awaited-segment",
            5: "interpretation-failure",
            6: "storage-failure",
            7: "data-set-not-ready",
        },
    ),
    8: ("change-scope", {0: "other"}),
    9: (
        "task",
        {0: "other", 1: "no-remote-control", 2: "ti-stopped", 3: "ti-running", 4: "ti-unusable"},
    ),
    10: ("other", {0: "other"}),
}
"""ServiceError of a confirmed-service-error: the choice, and its values."""


def name(names: Mapping[int, str], code: int) -> str:
    """A code in words with its number, such as ``deciphering-error (5)``."""
    return f"{names.get(code, 'unknown')} ({code})"


def name_association_result(code: int) -> str:
    """The result of an AARE."""
    return name(ASSOCIATION_RESULTS, code)


def name_diagnostic(code: int, *, by_provider: bool) -> str:
    """The diagnostic of an AARE, and whose it is."""
    if by_provider:
        return f"acse-service-provider: {name(PROVIDER_DIAGNOSTICS, code)}"
    return f"acse-service-user: {name(USER_DIAGNOSTICS, code)}"


def name_exception(state_error: int, service_error: int) -> str:
    """An exception-response."""
    state, service = name(STATE_ERRORS, state_error), name(SERVICE_ERRORS, service_error)
    return f"exception-response: {state}, {service}"


def name_confirmed_service_error(service: int, kind: int, value: int) -> str:
    """A confirmed-service-error."""
    choice, values = CONFIRMED_SERVICE_ERRORS.get(kind, ("unknown", {}))
    return (
        f"confirmed-service-error: {name(CONFIRMED_SERVICES, service)}, {choice} ({kind}): "
        f"{name(values, value)}"
    )
