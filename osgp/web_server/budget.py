"""How much is kept for callers who are slow."""

from osgp.web_server.lines import Line


class Budget:
    """Octets kept for connections: the rest of their answers, or bodies that are not complete.

    There is always room: when there are more than ``most`` octets, it is hung up on the connection for which
    some have been kept for longest. To be used in the event loop only.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[Line, int] = {}
        self.octets = 0

    def keep(self, line: Line, octets: int) -> None:
        """Keep so many more octets for a connection."""
        self._kept[line] = self._kept.get(line, 0) + octets
        self.octets += octets
        while self.octets > self._most and self._kept:
            oldest = next(iter(self._kept))
            self.release(oldest)
            oldest.hang_up()

    def release(self, line: Line) -> None:
        """Nothing is kept for it any more."""
        self.octets -= self._kept.pop(line, 0)
