"""Pages about readings and what is missing of them; importing them registers them."""

from osgp.pages.readings import completeness_page, reading_pages

__all__ = ["completeness_page", "reading_pages"]
