"""Bodies without a length reach the API, within its limits."""

import json
from io import BytesIO
from typing import Any

import pytest
from django.test import RequestFactory

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests.api.parsers import LARGEST_BODY
from osgp.requests.models import Request
from osgp.wsgi import application
from tests.factories import make_token

pytestmark = pytest.mark.django_db(transaction=True)

READS = "/api/v1/monitoring/actual-meter-reads/"


def post(organisation: Organisation, content: bytes) -> tuple[str, Any]:
    """POST in chunks, which the server has put together: the stream ends with the body."""
    environ = RequestFactory().post(READS, content_type="application/json").environ | {
        "HTTP_AUTHORIZATION": f"Bearer {make_token(organisation)}",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input": BytesIO(content),
        "wsgi.input_terminated": True,
    }
    del environ["CONTENT_LENGTH"]
    told: list[str] = []
    answer = b"".join(application(environ, lambda status, headers, *_: told.append(status)))
    return told[0], json.loads(answer)


def test_a_chunked_body_is_taken(organisation: Organisation, device: Device) -> None:
    body = json.dumps({"device_identification": device.identification, "priority": 7}).encode()
    status, answer = post(organisation, body)
    assert status == "202 Accepted"
    request = Request.objects.get(correlation_uid=answer["correlation_uid"])
    assert (request.device, request.priority) == (device, 7)


def test_one_that_is_too_large_is_refused(organisation: Organisation) -> None:
    status, answer = post(organisation, b" " * (LARGEST_BODY + 1))
    assert (status.split()[0], answer["name"]) == ("413", "CONTENT_TOO_LARGE")
