"""The meter's answers to GET, SET and ACTION, encoded (Green Book "xDLMS APDUs")."""

from collections.abc import Sequence

from .axdr import encode_length
from .results import ActionResult, DataAccessResult

GET_RESPONSE = 0xC4
SET_RESPONSE = 0xC5
ACTION_RESPONSE = 0xC7

BLOCK_OVERHEAD = 3 + 1 + 4 + 1 + 3
"""Most octets around the raw data of a block."""


def get_data_result(outcome: bytes | DataAccessResult) -> bytes:
    """A Get-Data-Result: encoded data, or the reason why there is none."""
    if isinstance(outcome, DataAccessResult):
        return bytes((1, outcome))
    return b"\x00" + outcome


def get_normal(invoke_id: int, outcome: bytes | DataAccessResult) -> bytes:
    """A GET response with one result."""
    return bytes((GET_RESPONSE, 1, invoke_id)) + get_data_result(outcome)


def get_with_list(invoke_id: int, outcomes: Sequence[bytes | DataAccessResult]) -> bytes:
    """A GET response with a list of results."""
    results = b"".join(get_data_result(outcome) for outcome in outcomes)
    return bytes((GET_RESPONSE, 3, invoke_id)) + encode_length(len(outcomes)) + results


def get_block(invoke_id: int, last: bool, number: int, octets: bytes) -> bytes:
    """A GET response with a data block."""
    return (
        bytes((GET_RESPONSE, 2, invoke_id, last))
        + number.to_bytes(4, "big")
        + b"\x00"
        + encode_length(len(octets))
        + octets
    )


def get_block_refused(invoke_id: int, number: int, result: DataAccessResult) -> bytes:
    """A GET response that ends a block transfer with an error."""
    return bytes((GET_RESPONSE, 2, invoke_id, 1)) + number.to_bytes(4, "big") + bytes((1, result))


def set_normal(invoke_id: int, result: DataAccessResult) -> bytes:
    """A SET response with one result."""
    return bytes((SET_RESPONSE, 1, invoke_id, result))


def set_block(invoke_id: int, number: int) -> bytes:
    """A SET response that takes a data block and asks for the next."""
    return bytes((SET_RESPONSE, 2, invoke_id)) + number.to_bytes(4, "big")


def set_last_block(invoke_id: int, result: DataAccessResult, number: int) -> bytes:
    """A SET response to the last data block."""
    return bytes((SET_RESPONSE, 3, invoke_id, result)) + number.to_bytes(4, "big")


def set_last_block_with_list(invoke_id: int, results: Sequence[DataAccessResult], number: int) -> bytes:
    """A SET response to the last data block of a list."""
    listed = encode_length(len(results)) + bytes(results)
    return bytes((SET_RESPONSE, 4, invoke_id)) + listed + number.to_bytes(4, "big")


def set_with_list(invoke_id: int, results: Sequence[DataAccessResult]) -> bytes:
    """A SET response with a list of results."""
    return bytes((SET_RESPONSE, 5, invoke_id)) + encode_length(len(results)) + bytes(results)


def action_outcome(result: ActionResult, returned: bytes | None) -> bytes:
    """An Action-Response-With-Optional-Data; ``returned`` is encoded data."""
    if returned is None:
        return bytes((result, 0))
    return bytes((result, 1, 0)) + returned


def action_normal(invoke_id: int, result: ActionResult, returned: bytes | None) -> bytes:
    """An ACTION response with one result."""
    return bytes((ACTION_RESPONSE, 1, invoke_id)) + action_outcome(result, returned)


def action_with_list(invoke_id: int, outcomes: Sequence[tuple[ActionResult, bytes | None]]) -> bytes:
    """An ACTION response with a list of results."""
    listed = b"".join(action_outcome(result, returned) for result, returned in outcomes)
    return bytes((ACTION_RESPONSE, 3, invoke_id)) + encode_length(len(outcomes)) + listed


def action_block(invoke_id: int, last: bool, number: int, octets: bytes) -> bytes:
    """An ACTION response with a block of results."""
    return (
        bytes((ACTION_RESPONSE, 2, invoke_id, last))
        + number.to_bytes(4, "big")
        + encode_length(len(octets))
        + octets
    )


def action_next_block(invoke_id: int, number: int) -> bytes:
    """An ACTION response that takes a parameter block and asks for the next."""
    return bytes((ACTION_RESPONSE, 4, invoke_id)) + number.to_bytes(4, "big")
