"""What a batch or a schedule sends, in a few words, as its rows keep it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from osgp.messages.naming import BUNDLE

MOST_NAMED = 4
"""Different messages of a bundle that are named."""


def list_messages(message: str, parameters: Mapping[str, Any]) -> list[str]:
    """Return the names of the messages that each device gets: of a bundle, those of its actions in order."""
    actions = parameters.get("actions")
    if message != BUNDLE or not isinstance(actions, list):
        return [message]
    return [str(action["message"]) for action in actions]


def name_content(message: str, parameters: Mapping[str, Any]) -> str:
    """``ActualMeterReads``, or ``Bundle: PeriodicMeterReads ×2, SynchronizeTime``."""
    if message != BUNDLE:
        return message
    counted = Counter(list_messages(message, parameters))
    named = [name if number == 1 else f"{name} ×{number}" for name, number in counted.items()]
    more = [f"{len(named) - MOST_NAMED} more"] if len(named) > MOST_NAMED else []
    return f"{message}: {', '.join(named[:MOST_NAMED] + more)}"
