"""REST: readings, and which of them are missing."""
