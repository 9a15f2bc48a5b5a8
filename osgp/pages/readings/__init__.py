"""Pages about readings and what is missing of them; importing them registers them."""

from osgp.pages.readings import readings

__all__ = ["readings"]
