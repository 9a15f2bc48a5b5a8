"""Pages about devices and groups of them; importing them registers them."""

from osgp.pages.devices import device_pages, group_pages

__all__ = ["device_pages", "group_pages"]
