"""Parsing of JSON bodies within limits, so that hostile ones are refused cheaply."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from osgp.messages.serializers import make_printable

LARGEST_BODY = 1024 * 1024
"""Octets; a batch of 10,000 devices takes about half of it."""

DEEPEST_NESTING = 32
"""Objects and arrays within one another; no message needs ten."""


class BodyTooLarge(APIException):
    """413."""

    status_code = 413
    default_code = "content_too_large"
    default_detail = f"The body may have at most {LARGEST_BODY} octets."


class StrictJSONParser(BaseParser):
    """Parses JSON in UTF-8. Refuses objects with duplicate names, and numbers that JSON does not have."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body as Python values. Raises ParseError, BodyTooLarge or UnsupportedMediaType."""
        request = (parser_context or {}).get("request")
        coding = request.headers.get("Content-Encoding", "identity") if request is not None else "identity"
        if coding.strip().lower() not in ("identity", ""):
            raise UnsupportedMediaType(coding, "The body must come without a Content-Encoding.")
        content = read_limited(stream)
        try:
            body = json.loads(
                content.decode(), object_pairs_hook=_check_unique_names, parse_constant=_refuse_number
            )
        except UnicodeDecodeError:
            raise ParseError("The body is not UTF-8.") from None
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        except json.JSONDecodeError as error:
            raise ParseError(f"The body is not JSON: {error}.") from None
        except ValueError:
            raise ParseError("The body has a number of too many digits.") from None
        if _is_deeper(body, DEEPEST_NESTING):
            raise ParseError("The body is nested too deeply.")
        return body


def read_limited(stream: IO[bytes]) -> bytes:
    """Read the whole body. Raises BodyTooLarge after the limit, without reading on."""
    content = stream.read(LARGEST_BODY + 1)
    if len(content) > LARGEST_BODY:
        raise BodyTooLarge
    return content


def _is_deeper(body: Any, limit: int) -> bool:
    level = [body] if isinstance(body, dict | list) else []
    for _ in range(limit):
        level = [
            member
            for container in level
            for member in (container.values() if isinstance(container, dict) else container)
            if isinstance(member, dict | list)
        ]
        if not level:
            return False
    return True


def _check_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ParseError(f"An object in the body has the name {make_printable(twice)} twice.")
    return members


def _refuse_number(text: str) -> Any:
    raise ParseError(f"The body is not JSON: it has no number {text}.")
