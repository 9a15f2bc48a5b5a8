"""Pages about requests and visits to meters; importing them registers them."""

from osgp.pages.requests import request_pages, visit_pages

__all__ = ["request_pages", "visit_pages"]
