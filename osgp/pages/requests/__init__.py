"""Pages about requests and visits to meters; importing them registers them."""

from osgp.pages.requests import requests, sessions

__all__ = ["requests", "sessions"]
