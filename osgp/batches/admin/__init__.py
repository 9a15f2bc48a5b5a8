"""Operators' pages about batches and recurring requests; importing them registers them."""

from osgp.batches.admin import batches, beat, recurring

__all__ = ["batches", "beat", "recurring"]
