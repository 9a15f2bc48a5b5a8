"""Pages about devices, groups of them and what was noticed of them; importing them registers them."""

from osgp.pages.devices import device_pages, group_pages, note_pages, shared_settings_pages

__all__ = ["device_pages", "group_pages", "note_pages", "shared_settings_pages"]
