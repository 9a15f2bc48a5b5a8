"""Where operations are found. Starting a message app (osgp/messages/app_config.py) imports its modules, which
register what they define.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

from osgp.messages.operation import CompositeOperation, MeterOperation, Operation, PlatformOperation

RegisteredOperation = MeterOperation[Any, Any] | PlatformOperation[Any, Any] | CompositeOperation[Any]

_operations: dict[str, RegisteredOperation] = {}

OperationClass = TypeVar("OperationClass", bound=type[Operation[Any, Any]])


class UnknownMessage(LookupError):
    """No operation of that name is registered."""


def register(operation_class: OperationClass) -> OperationClass:
    """Class decorator: make a message known to REST, bundle, OpenAPI, admin and CLI."""
    operation = operation_class()
    if not isinstance(operation, MeterOperation | PlatformOperation | CompositeOperation):
        raise TypeError(
            f"{operation_class.__name__} is neither a meter nor a platform operation, nor composite"
        )
    known = _operations.get(operation.message)
    if known is not None and type(known).__qualname__ != operation_class.__qualname__:
        raise ValueError(f"two operations are called {operation.message}")
    operation.check_shapes()
    _operations[operation.message] = operation
    return operation_class


def find_operation(message: str) -> RegisteredOperation:
    """The operation of a message name. Raises UnknownMessage."""
    try:
        return _operations[message]
    except KeyError:
        raise UnknownMessage(message) from None


def list_operations() -> Iterator[RegisteredOperation]:
    """All operations by service and name."""
    return iter(sorted(_operations.values(), key=lambda item: (item.service, item.message)))


def list_bundleable() -> Iterator[MeterOperation[Any, Any]]:
    """The operations that may be actions of a bundle, by service and name."""
    return (each for each in list_operations() if isinstance(each, MeterOperation) and each.bundleable)
