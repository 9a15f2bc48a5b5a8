"""Lists of parameters that turn something on or off by name."""

from collections.abc import Sequence

from rest_framework.exceptions import ValidationError


def check_names(parameter: str, field: str, names: Sequence[str]) -> None:
    """Raise ValidationError unless there is a name, and each only once.

    ``names`` are those in ``field`` of the elements of ``parameter``.
    """
    if not names:
        raise ValidationError({parameter: ["Must name at least one."]})
    first: dict[str, int] = {}
    repeated = {
        str(position): {field: [f"{name} is there twice."]}
        for position, name in enumerate(names)
        if first.setdefault(name, position) != position
    }
    if repeated:
        raise ValidationError({parameter: repeated})
