"""The registry of operations. At start-up, message apps import their modules, which register their classes
(osgp/messages/app_config.py).
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
    """Register a message (class decorator) for REST, bundles, OpenAPI, admin and command line.

    Raises TypeError, ValueError or ShapeError for a class that cannot be one.
    """
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
    """Return the operation of a message name. Raises UnknownMessage."""
    try:
        return _operations[message]
    except KeyError:
        raise UnknownMessage(message) from None


def list_operations() -> Iterator[RegisteredOperation]:
    """List all operations by service and name."""
    return iter(sorted(_operations.values(), key=lambda item: (item.service, item.message)))


def list_bundleable() -> Iterator[MeterOperation[Any, Any]]:
    """List the operations that may be actions of a bundle, by service and name."""
    return (each for each in list_operations() if isinstance(each, MeterOperation) and each.bundleable)
