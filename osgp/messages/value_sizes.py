"""How much of a DLMS value the results of messages show, and how large it is there, before it is made."""

from json.encoder import encode_basestring_ascii

from osgp.protocol_dlms.data import Data

LONGEST_STRING = 128 * 1024
"""Octets, bits or characters of one string that a result shows; of a longer one, the first ones and how many
there are. The longest that meters are known to have are of some hundred octets."""
_JSON_OVERHEAD = 48


def estimate_json_size(data: Data, most: int) -> int:
    """Return about how many octets a value has in a result, or a number above ``most``.

    It takes a step per element, and nothing is made of them.
    """
    size = 0
    waiting = [data]
    while waiting and size <= most:
        value = waiting.pop().value
        size += _JSON_OVERHEAD
        if isinstance(value, tuple):
            waiting.extend(value)
        elif isinstance(value, bytes | bytearray):
            size += 2 * min(len(value), LONGEST_STRING)
        elif isinstance(value, str):
            # Up to six octets for a character: \u001f.
            size += len(encode_basestring_ascii(value[:LONGEST_STRING]))
    return size
