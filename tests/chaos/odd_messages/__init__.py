"""Messages that no platform should have: they make visible what happened, or do harm on purpose."""
