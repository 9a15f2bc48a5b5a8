"""The web server: connections with deadlines in an event loop, and Django in a few threads behind it."""
