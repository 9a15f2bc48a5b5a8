"""Pushes over the HTTP interface: one meter pushes, many do, and how all of them fared.

``POST /meters/{identification}/push`` · ``GET /push`` · ``POST|DELETE /push/storm``
"""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..fleet import Fleet
from ..http_bodies import read_body
from ..meter.alarm_bits import set_bits
from .forms import Withheld, find_bits
from .orders import OrderError, parse_order
from .packing import is_ciphered
from .storm import Storm, parse_storm


def list_routes(fleet: Fleet, storm: Storm) -> list[Route]:
    """The routes, for a fleet whose pushes the pusher of ``storm`` sends."""
    endpoints = _Endpoints(fleet, storm)
    return [
        Route("/meters/{identification}/push", endpoints.push, methods=["POST"]),
        Route("/push", endpoints.show, methods=["GET"]),
        Route("/push/storm", endpoints.start_storm, methods=["POST"]),
        Route("/push/storm", endpoints.stop_storm, methods=["DELETE"]),
    ]


class _Endpoints:
    def __init__(self, fleet: Fleet, storm: Storm) -> None:
        self._fleet = fleet
        self._storm = storm
        self._pusher = storm.pusher

    async def push(self, request: Request) -> Response:
        """A meter pushes now; alarms that are named are set in its registers, too. 409 with the reason when
        it does not push."""
        meter = self._fleet.meters.get(request.path_params["identification"])
        if meter is None:
            raise HTTPException(404, "there is no such meter")
        document = await _read_object(request)
        now = self._fleet.settings.clock()
        try:
            order = parse_order(document)
            for register, bits in find_bits(meter, order).items():
                set_bits(meter, register, bits, now)
            plan = self._pusher.push(meter, order)
        except OrderError as error:
            raise HTTPException(422, str(error)) from error
        except Withheld as withheld:
            raise HTTPException(409, str(withheld)) from withheld
        told = {
            "form": plan.form.value,
            "setup": plan.kind.value,
            "transport": plan.transport.value,
            "to": str(plan.destination),
            "ciphered": is_ciphered(meter, plan),
        }
        return JSONResponse(told, status_code=202)

    async def show(self, request: Request) -> Response:
        """The counts since the start."""
        counts = self._pusher.counts.as_dict()
        return JSONResponse({**counts, "pending": self._pusher.pending, "storm": self._storm.as_dict()})

    async def start_storm(self, request: Request) -> Response:
        """``{"rate": per second, "seconds": n, "meters": n}`` and what each meter pushes; registers stay as
        they are."""
        document = await _read_object(request)
        if self._storm.is_running:
            raise HTTPException(409, "a storm is going on")
        try:
            storm = parse_storm(document)
            meters = self._storm.start(storm)
        except OrderError as error:
            raise HTTPException(422, str(error)) from error
        except Withheld as withheld:
            raise HTTPException(409, str(withheld)) from withheld
        return JSONResponse({"meters": meters, "total": storm.total}, status_code=202)

    async def stop_storm(self, request: Request) -> Response:
        """No more pushes; those that were begun are sent."""
        await self._storm.stop()
        return Response(status_code=204)


async def _read_object(request: Request) -> dict[str, Any]:
    document = await read_body(request)
    if not isinstance(document, dict):
        raise HTTPException(422, "the body is an object")
    return document
