"""What could not be read: the same for all messages, see :mod:`osgp.messages.unavailable`."""

from osgp.messages.unavailable import Unavailable, UnavailableList, list_unavailable

__all__ = ["Unavailable", "UnavailableList", "list_unavailable"]
