"""Answers of the API, of which large ones are streamed."""

import json
from typing import Any


def read_answer(answer: Any) -> Any:
    """The JSON of an answer."""
    return json.loads(b"".join(answer) if answer.streaming else answer.content)
