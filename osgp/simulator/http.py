"""The HTTP interface of the simulator: look at meters, set their attributes, switch faults on and off.

It has no authentication: it is for the machine on which the simulator runs, and off unless asked for.

``GET /meters`` (``offset``, ``limit``) · ``GET /meters/{identification}`` ·
``GET|PUT|DELETE /meters/{identification}/attributes/{class_id}/{obis}/{attribute_id}`` ·
``POST /occurrences`` · ``POST /meters/{identification}/occurrences`` ·
``GET|POST|DELETE /meters/{identification}/faults`` · ``GET|PUT|DELETE /meters/{identification}/quirks`` ·
``PUT|DELETE /meters/{identification}/behaviour`` ·
``GET /meters/{identification}/truth`` (:mod:`.http_truth`) ·
``GET /keys`` (``offset``, ``limit``, ``repeated``) ·
``POST /meters/{identification}/push`` · ``GET /push`` · ``POST|DELETE /push/storm`` (:mod:`.push.http`)
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from osgp.catalogue import obis
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.catalogue.obis import MBUS_CHANNELS

from . import fields, http_truth
from .codec.axdr import decode, encode
from .codec.ciphering import MAXIMUM_COUNTER
from .codec.errors import ProtocolError
from .faults import FaultKind
from .fleet import Fleet
from .http_bodies import make_problem, read_body
from .meter.meter import Meter
from .meter.query import AccessError
from .occurrence import OccurrenceError
from .push.http import list_routes
from .push.storm import Storm
from .quirks import parse_quirks
from .scenario import carry_out, plan
from .values import from_json, to_json

MAXIMUM_PAGE = 1_000
_COUNT = fields.integer(0, 10**9)
_BEHAVIOUR = (
    "latency is a range of seconds, loss a share of 1, maximum_connections a number from 1, "
    f"counter_at_key_change restart or keep, told_counter a number from 0 to {MAXIMUM_COUNTER}"
)


def application(
    fleet: Fleet, occurred: Callable[[], None] = lambda: None, storm: Storm | None = None
) -> Starlette:
    """The ASGI application for a fleet; ``occurred`` is called when something was made to happen. Without a
    ``storm`` there are no pushes."""
    endpoints = _Endpoints(fleet, occurred)
    attribute = "/meters/{identification}/attributes/{class_id:int}/{obis}/{attribute_id:int}"
    faults = "/meters/{identification}/faults"
    behaviour = "/meters/{identification}/behaviour"
    quirks = "/meters/{identification}/quirks"
    return Starlette(
        routes=[
            Route("/meters", endpoints.list_meters),
            Route("/meters/{identification}", endpoints.show_meter),
            Route(attribute, endpoints.get_attribute, methods=["GET"]),
            Route(attribute, endpoints.put_attribute, methods=["PUT"]),
            Route(attribute, endpoints.delete_attribute, methods=["DELETE"]),
            Route("/keys", endpoints.list_keys),
            Route("/occurrences", endpoints.let_happen, methods=["POST"]),
            Route("/meters/{identification}/occurrences", endpoints.let_happen, methods=["POST"]),
            Route(faults, endpoints.list_faults, methods=["GET"]),
            Route(faults, endpoints.switch_fault_on, methods=["POST"]),
            Route(faults, endpoints.switch_faults_off, methods=["DELETE"]),
            Route(quirks, endpoints.list_quirks, methods=["GET"]),
            Route(quirks, endpoints.put_quirks, methods=["PUT"]),
            Route(quirks, endpoints.delete_quirks, methods=["DELETE"]),
            Route(behaviour, endpoints.put_behaviour, methods=["PUT"]),
            Route(behaviour, endpoints.delete_behaviour, methods=["DELETE"]),
            *http_truth.list_routes(fleet),
            *(list_routes(fleet, storm) if storm is not None else ()),
        ],
        exception_handlers={HTTPException: make_problem},
    )


class _Endpoints:
    """What the routes do, for one fleet."""

    def __init__(self, fleet: Fleet, occurred: Callable[[], None]) -> None:
        self.fleet = fleet
        self._occurred = occurred

    def _find_meter(self, request: Request) -> Meter:
        meter = self.fleet.meters.get(request.path_params["identification"])
        if meter is None:
            raise HTTPException(404, "there is no such meter")
        return meter

    async def list_meters(self, request: Request) -> Response:
        """A page of meters."""
        page = _read_page(request)
        identifications = list(self.fleet.meters)
        results = [_summarize(self.fleet, self.fleet.meters[each]) for each in identifications[page]]
        return JSONResponse({"count": len(identifications), "results": results})

    async def list_keys(self, request: Request) -> Response:
        """A page of the keys that were used; with ``repeated=true`` of those with a nonce that came twice."""
        page = _read_page(request)
        chosen = request.query_params.get("repeated", "false")
        if chosen not in ("true", "false"):
            raise HTTPException(400, "repeated is true or false")
        nonces = self.fleet.nonces
        uses = nonces.list_repeats() if chosen == "true" else nonces.list_uses()
        results = [
            {
                "key": use.key_id,
                "fixed_field": use.fixed_field.hex(),
                "highest": use.highest,
                "repeated": use.repeated,
            }
            for use in uses[page]
        ]
        return JSONResponse({"count": len(uses), "results": results})

    async def show_meter(self, request: Request) -> Response:
        """One meter with its statistics."""
        meter = self._find_meter(request)
        counters = meter.memory.counters
        return JSONResponse(
            {
                **_summarize(self.fleet, meter),
                "statistics": meter.memory.statistics.as_dict(),
                "highest_invocation_counter": counters.highest if counters.highest >= 0 else None,
                "repeated_invocation_counters": counters.repeated,
                "faults": meter.faults.as_list(),
                "mbus_keys": _describe_mbus_keys(meter),
            }
        )

    async def get_attribute(self, request: Request) -> Response:
        """One attribute as JSON, whoever may read it."""
        try:
            return JSONResponse(to_json(decode(self._find_meter(request).get(_read_descriptor(request)))))
        except AccessError as error:
            raise HTTPException(404, error.result.name) from error

    async def put_attribute(self, request: Request) -> Response:
        """Set one attribute, whoever may write it."""
        meter, descriptor = self._find_meter(request), _read_descriptor(request)
        try:
            encoded = encode(from_json(await read_body(request)))
            meter.set(descriptor, encoded)
        except (ValueError, ProtocolError) as error:
            raise HTTPException(422, str(error)) from error
        except AccessError as error:
            raise HTTPException(409, error.result.name) from error
        return Response(status_code=204)

    async def delete_attribute(self, request: Request) -> Response:
        """Undo what one attribute was set to."""
        try:
            self._find_meter(request).forget(_read_descriptor(request))
        except AccessError as error:
            raise HTTPException(404, error.result.name) from error
        return Response(status_code=204)

    async def let_happen(self, request: Request) -> Response:
        """An occurrence as in a scenario, now: to the meter in the path, or to those that it selects."""
        document = await read_body(request)
        if not isinstance(document, dict):
            raise HTTPException(422, "an occurrence is an object with a kind")
        selecting = {"at", "meters", "share"} if "identification" in request.path_params else {"at"}
        for name in sorted(selecting & set(document)):
            raise HTTPException(422, f"{name}: has no place here")
        if "identification" in request.path_params:
            document["meters"] = self._find_meter(request).identification
        try:
            planned = plan(document, self.fleet, self.fleet.settings.clock())
            carry_out(planned)
        except OccurrenceError as error:
            raise HTTPException(422, str(error)) from error
        except AccessError as error:
            raise HTTPException(409, error.result.name) from error
        self._occurred()
        return JSONResponse({"meters": len(planned.meters)}, status_code=201)

    async def list_faults(self, request: Request) -> Response:
        """The faults that are on."""
        return JSONResponse(self._find_meter(request).faults.as_list())

    async def switch_fault_on(self, request: Request) -> Response:
        """``{"kind": ..., "exchanges": n, "after": n}``; without exchanges until it is switched off."""
        meter, document = self._find_meter(request), await read_body(request)
        try:
            kind = FaultKind(document["kind"])
            exchanges, after = document.get("exchanges"), document.get("after", 0)
            if exchanges is not None:
                _COUNT(exchanges)
            meter.faults.switch_on(kind, exchanges, after=_COUNT(after))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            detail = "kind is the name of a fault, exchanges a number from 1, after one from 0"
            raise HTTPException(422, detail) from error
        return JSONResponse(meter.faults.as_list(), status_code=201)

    async def switch_faults_off(self, request: Request) -> Response:
        """All faults off, or the one named in the query as ``kind``."""
        kind = request.query_params.get("kind")
        try:
            self._find_meter(request).faults.switch_off(FaultKind(kind) if kind else None)
        except ValueError as error:
            raise HTTPException(422, "kind is the name of a fault") from error
        return Response(status_code=204)

    async def list_quirks(self, request: Request) -> Response:
        """The names of the quirks that the meter has."""
        return JSONResponse(sorted(self._find_meter(request).quirks))

    async def put_quirks(self, request: Request) -> Response:
        """``{"quirks": [names]}``: these, instead of those of the fleet."""
        meter, document = self._find_meter(request), await read_body(request)
        try:
            meter.memory.quirks = parse_quirks(document["quirks"])
        except (ValueError, KeyError, TypeError) as error:
            raise HTTPException(422, f"quirks is a list of names: {error}") from error
        return JSONResponse(sorted(meter.quirks))

    async def delete_quirks(self, request: Request) -> Response:
        """Those of the fleet again."""
        self._find_meter(request).memory.quirks = None
        return Response(status_code=204)

    async def put_behaviour(self, request: Request) -> Response:
        """``{"latency": [shortest, longest], "loss": share, "maximum_connections": n,
        "counter_at_key_change": "restart" or "keep", "told_counter": n}``; what is left out is as in the
        fleet."""
        meter, document = self._find_meter(request), await read_body(request)
        try:
            document = dict(document)
            if "latency" in document:
                shortest, longest = document["latency"]
                document["latency"] = (float(shortest), float(longest))
            meter.behaviour = replace(self.fleet.settings.behaviour, **document)
        except (ValueError, TypeError) as error:
            raise HTTPException(422, _BEHAVIOUR) from error
        return Response(status_code=204)

    async def delete_behaviour(self, request: Request) -> Response:
        """Answer as the rest of the fleet does."""
        self._find_meter(request).behaviour = None
        return Response(status_code=204)


def _read_descriptor(request: Request) -> AttributeDescriptor:
    parameters = request.path_params
    try:
        logical_name = obis.parse(parameters["obis"])
    except ValueError as error:
        raise HTTPException(404, "the OBIS code is malformed") from error
    return AttributeDescriptor(parameters["class_id"], logical_name, parameters["attribute_id"])


def _read_page(request: Request) -> slice:
    """Which part of a list is asked for."""
    try:
        offset = max(int(request.query_params.get("offset", 0)), 0)
        limit = min(max(int(request.query_params.get("limit", 100)), 1), MAXIMUM_PAGE)
    except ValueError as error:
        raise HTTPException(400, "offset and limit are numbers") from error
    return slice(offset, offset + limit)


def _describe_mbus_keys(meter: Meter) -> list[dict[str, Any]]:
    """What became of the keys of each device that was sent one."""
    return [
        {
            "identification": identification,
            "encryption_key_status": keys.status.name,
            "key_change_counter": keys.key_change_counter if keys.key_change_counter >= 0 else None,
            "optical_port_closed": keys.optical_port_closed,
        }
        for identification, keys in (meter.memory.mbus_keys or {}).items()
    ]


def _summarize(fleet: Fleet, meter: Meter) -> dict[str, Any]:
    return {
        "identification": meter.identification,
        "profile": meter.type.profile.key,
        "polyphase": meter.polyphase,
        "security": meter.security.value,
        "transport": meter.framing.value,
        "port": fleet.ports[meter.port_index] if fleet.ports else None,
        "logical_device_address": meter.logical_device_address,
        "gas_meters": [
            gas_meter.identification
            for gas_meter in map(meter.gas_meter, MBUS_CHANNELS)
            if gas_meter is not None
        ],
    }


class _Uvicorn(uvicorn.Server):
    """Leaves signals to whoever runs the simulator."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Nothing."""
        yield


class HttpServer:
    """Serves the interface within a running event loop."""

    def __init__(
        self,
        fleet: Fleet,
        host: str,
        port: int,
        occurred: Callable[[], None] = lambda: None,
        storm: Storm | None = None,
    ) -> None:
        self.host = host
        self.port = port
        config = uvicorn.Config(
            application(fleet, occurred, storm),
            host=host,
            port=port,
            log_config=None,
            lifespan="off",
            access_log=False,
            http="h11",
            ws="none",
            limit_concurrency=64,
        )
        self._server = _Uvicorn(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; OSError when the port is taken. ``port`` then is the real one."""
        # Bound here, since uvicorn ends the process when it cannot bind.
        listening = socket.create_server((self.host, self.port), backlog=64)
        self.port = listening.getsockname()[1]
        self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets=[listening]))
        while not self._server.started:
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._server.should_exit = True
            await self._task
            self._task = None
