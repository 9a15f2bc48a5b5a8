"""Pages about batches and schedules; importing them registers them."""

from osgp.pages.batches import batches, beat, recurring

__all__ = ["batches", "beat", "recurring"]
