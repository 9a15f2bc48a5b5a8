"""Pages about alarms, received pushes and rules; importing them registers them."""

from osgp.pages.alarms import alarm_pages, group_pages, push_pages, rule_pages

__all__ = ["alarm_pages", "group_pages", "push_pages", "rule_pages"]
