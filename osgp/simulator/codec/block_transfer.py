"""General-block-transfer of what nobody acknowledges (Green Book "General block transfer")."""

from .axdr import encode_length
from .errors import LocalProtocolError

GENERAL_BLOCK_TRANSFER = 0xE0
LARGEST_BLOCK_NUMBER = 0xFFFF

_LAST = 0x80
_STREAMING = 0x40
_NOTHING_ACKNOWLEDGED = bytes(2)


def split_into_blocks(apdu: bytes, size: int) -> list[bytes]:
    """The blocks in which ``apdu`` is streamed, ``size`` octets of it in each but the last."""
    if size < 1 or len(apdu) > size * LARGEST_BLOCK_NUMBER:
        raise LocalProtocolError(f"an APDU of {len(apdu)} octets does not fit blocks of {size}")
    parts = [apdu[start : start + size] for start in range(0, len(apdu), size)]
    return [
        bytes((GENERAL_BLOCK_TRANSFER, _STREAMING | (_LAST if number == len(parts) else 0)))
        + number.to_bytes(2, "big")
        + _NOTHING_ACKNOWLEDGED
        + encode_length(len(part))
        + part
        for number, part in enumerate(parts, 1)
    ]
