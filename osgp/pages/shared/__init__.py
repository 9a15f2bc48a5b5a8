"""What pages have in common: lists, filters, forms for messages, and how values are shown."""
