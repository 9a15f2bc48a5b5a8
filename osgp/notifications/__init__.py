"""SendNotification: signed webhooks that tell web applications of events."""
