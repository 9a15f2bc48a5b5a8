"""Pages about communication networks and their cells; importing them registers them."""

from osgp.pages.networks import network_pages

__all__ = ["network_pages"]
