"""What all parts of the HTTP interface do with what comes, and with what is wrong with it."""

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

MAXIMUM_BODY = 64 * 1024


async def make_problem(request: Request, error: Exception) -> Response:
    """The answer to a request that failed."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, status_code=error.status_code)


async def read_body(request: Request) -> Any:
    """The JSON document in the request; 413 when it is longer than :data:`MAXIMUM_BODY`."""
    octets = bytearray()
    async for chunk in request.stream():
        octets += chunk
        if len(octets) > MAXIMUM_BODY:
            raise HTTPException(413, f"the body may have {MAXIMUM_BODY} octets")
    try:
        return json.loads(octets)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "the body is no JSON") from error
