"""What a head-end should have of a meter, over HTTP (:mod:`.meter.truth`).

``GET /meters/{identification}/truth?buffer=TAG&begin=TIME&end=TIME`` (``channel``): the rows of a buffer.
``GET /meters/{identification}/truth?object=TAG`` (``attribute``, ``channel``, ``at=TIME``): one value.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .fleet import Fleet
from .meter.registry import VALUE
from .meter.truth import find_true_value, list_true_rows


def list_routes(fleet: Fleet) -> list[Route]:
    """The routes for the meters of a fleet."""

    async def show_truth(request: Request) -> Response:
        """Rows, or a value."""
        meter = fleet.meters.get(request.path_params["identification"])
        if meter is None:
            raise HTTPException(404, "there is no such meter")
        asked = request.query_params
        if ("buffer" in asked) == ("object" in asked):
            raise HTTPException(422, "what is asked for is a buffer or an object")
        try:
            channel = int(asked["channel"]) if "channel" in asked else None
            if "buffer" in asked:
                begin, end = _read_time(asked["begin"]), _read_time(asked["end"])
                rows = list_true_rows(meter, asked["buffer"], begin, end, channel)
                return JSONResponse([_show(row._asdict()) for row in rows])
            moment = _read_time(asked["at"]).timestamp() if "at" in asked else None
            value = find_true_value(meter, asked["object"], asked.get("attribute", VALUE), channel, moment)
        except KeyError as error:
            raise HTTPException(422, f"{error.args[0]} is missing") from error
        except LookupError as error:
            raise HTTPException(404, str(error)) from error
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        return JSONResponse({"value": _show(value)})

    return [Route("/meters/{identification}/truth", show_truth)]


def _read_time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text[:50]} is a time without its offset from UTC")
    return moment


def _show(value: Any) -> Any:
    """A value as JSON: decimals as text, octets in hexadecimal, times in UTC."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: _show(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_show(each) for each in value]
    return value
