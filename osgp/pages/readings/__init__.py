"""Pages about readings and what is missing of them; importing them registers them."""

from osgp.pages.readings import reading_pages

__all__ = ["reading_pages"]
