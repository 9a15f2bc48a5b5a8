"""Pages about devices and groups of them; importing them registers them."""

from osgp.pages.devices import devices, groups

__all__ = ["devices", "groups"]
