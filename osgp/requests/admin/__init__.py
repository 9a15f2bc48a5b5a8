"""Operators' pages about requests and visits to meters; importing them registers them."""

from osgp.requests.admin import requests, sessions

__all__ = ["requests", "sessions"]
