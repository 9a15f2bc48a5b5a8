"""Bodies without a Content-Length (``Transfer-Encoding: chunked``), as clients send them that stream."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from django.conf import settings

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class ChunkedBodies:
    """WSGI middleware: reads a chunked body as a whole, because Django takes one without a length for empty.

    No more than DATA_UPLOAD_MAX_MEMORY_SIZE and one octet is read, so that what is too large is refused as
    other bodies are.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # The server says with wsgi.input_terminated that its stream ends with the body.
        chunked = environ.get("HTTP_TRANSFER_ENCODING") and not environ.get("CONTENT_LENGTH")
        if chunked and environ.get("wsgi.input_terminated"):
            most: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            content = environ["wsgi.input"].read(most + 1)
            environ["wsgi.input"] = BytesIO(content)
            environ["CONTENT_LENGTH"] = str(len(content))
        return self._application(environ, start_response)
