"""The type arguments of a class for a generic base of it."""

from typing import Any, TypeVar, get_args, get_origin


def find_type_arguments(cls: type, base: type) -> tuple[Any, ...]:
    """Return the type arguments that ``cls`` gives to ``base``, with a TypeVar for each open one.

    Raises TypeError if ``base`` is no generic base of ``cls``.
    """
    variables: tuple[TypeVar, ...] = base.__parameters__  # type: ignore[attr-defined]
    if cls is base:
        return variables
    for generic in getattr(cls, "__orig_bases__", ()):
        origin = get_origin(generic)
        if isinstance(origin, type) and issubclass(origin, base):
            given = dict(zip(origin.__parameters__, get_args(generic), strict=True))  # type: ignore[attr-defined]
            return tuple(given.get(found, found) for found in find_type_arguments(origin, base))
    for plain in cls.__bases__:
        if issubclass(plain, base):
            return find_type_arguments(plain, base)
    raise TypeError(f"{cls.__name__} does not derive from {base.__name__}")
