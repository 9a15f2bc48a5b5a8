"""Pages about batches and schedules; importing them registers them."""

from osgp.pages.batches import batch_pages, beat_pages, schedule_pages

__all__ = ["batch_pages", "beat_pages", "schedule_pages"]
