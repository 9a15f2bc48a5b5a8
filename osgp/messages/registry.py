"""Where operations are found. Starting a message app (requests/apps.py) imports its
modules, which register what they define."""

from collections.abc import Iterator
from typing import TypeVar

from osgp.messages.operation import CompositeOperation, MeterOperation, Operation, PlatformOperation

RegisteredOperation = MeterOperation | PlatformOperation | CompositeOperation

_operations: dict[str, RegisteredOperation] = {}

OperationClass = TypeVar("OperationClass", bound=type[Operation])


class UnknownMessage(LookupError):
    """No operation of that name is registered."""


def register(operation_class: OperationClass) -> OperationClass:
    """Class decorator: make a message known to REST, bundle, OpenAPI, admin and CLI."""
    operation = operation_class()
    if not isinstance(operation, RegisteredOperation):
        raise TypeError(
            f"{operation_class.__name__} is neither a meter nor a platform operation, nor composite"
        )
    known = _operations.get(operation.message)
    if known is not None and type(known).__qualname__ != operation_class.__qualname__:
        raise ValueError(f"two operations are called {operation.message}")
    _operations[operation.message] = operation
    return operation_class


def operation(message: str) -> RegisteredOperation:
    """The operation of a message name. Raises UnknownMessage."""
    try:
        return _operations[message]
    except KeyError:
        raise UnknownMessage(message) from None


def operations() -> Iterator[RegisteredOperation]:
    """All operations by service and name."""
    return iter(sorted(_operations.values(), key=lambda item: (item.service, item.message)))


def bundleable() -> Iterator[MeterOperation]:
    """The operations that may be actions of a bundle, by service and name."""
    return (task for task in operations() if isinstance(task, MeterOperation) and task.bundleable)
