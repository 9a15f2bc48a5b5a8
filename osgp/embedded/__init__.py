"""The platform in one process: web, dispatcher, worker and simulated meters in threads (`make run`).

The same code as in production, on SQLite and the in-process broker; what differs is only who starts it.
"""
