"""Operators' pages about batches and recurring requests; importing them registers them."""

from osgp.batches.admin import batches, recurring

__all__ = ["batches", "recurring"]
