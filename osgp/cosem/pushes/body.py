"""What a layout makes of a body, before times and scales are known."""

from dataclasses import dataclass

from osgp.catalogue import obis
from osgp.cosem.pushes.model import Layout, PushedValue
from osgp.cosem.pushes.shapes import get_clock, get_text
from osgp.protocol_dlms import Data

CLOCK = "0-0:1.0.0.255"

# Where meters tell who they are, best first. The type of meter of Kamstrup's 1-1:96.1.1 is none of them.
_IDENTIFICATIONS = (
    "0-0:42.0.0.255",
    "1-1:0.0.5.255",
    "0-0:96.1.0.255",
    "0-0:96.1.1.255",
)
_LIST_NAME_GROUPS = "0.2.129.255"  # version of the list of objects, 1-0: and 1-1:
_CLOCK_GROUPS = "1.0.0.255"  # Kamstrup: 0-1:


@dataclass(slots=True)
class Body:
    """The values of a body in their order, and what else its layout tells. ``clock`` has 12 octets."""

    layout: Layout
    values: list[PushedValue]
    identification: str | None = None
    list_name: str | None = None
    clock: bytes | None = None
    rows: tuple[tuple[Data, ...], ...] = ()

    def look_through_values(self) -> None:
        """Take identification, name of the list and clock from values that have them, unless known."""
        texts: dict[str, str] = {}
        for value in self.values:
            if value.obis is None:
                continue
            groups = value.obis.partition(":")[2]
            if groups == _CLOCK_GROUPS and value.obis.startswith("0-"):
                self.clock = self.clock or get_clock(value.value)
            elif groups == _LIST_NAME_GROUPS and value.obis.startswith("1-"):
                self.list_name = self.list_name or get_text(value.value)
            elif value.obis in _IDENTIFICATIONS and (text := get_text(value.value)):
                texts.setdefault(value.obis, text)
        if self.identification is None:
            self.identification = next((texts[name] for name in _IDENTIFICATIONS if name in texts), None)


def make_value(logical_name: bytes, value: Data) -> PushedValue:
    """Return a value of which only the logical name is told."""
    return PushedValue(value, obis.to_text(logical_name))
