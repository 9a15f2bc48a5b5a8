"""Checking answers against the schemas of the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator


def validate(instance: object, schema: Mapping[str, Any]) -> None:
    """Raises jsonschema.ValidationError. jsonschema.validate would check the schema as well, for seconds."""
    Draft202012Validator(schema).validate(instance)
