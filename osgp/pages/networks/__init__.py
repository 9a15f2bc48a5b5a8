"""Pages about communication networks and their cells; importing them registers them."""

from osgp.pages.networks import networks

__all__ = ["networks"]
