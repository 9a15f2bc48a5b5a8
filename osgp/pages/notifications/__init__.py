"""Pages about webhook endpoints and deliveries; importing them registers them."""

from osgp.pages.notifications import delivery_pages, endpoint_pages

__all__ = ["delivery_pages", "endpoint_pages"]
