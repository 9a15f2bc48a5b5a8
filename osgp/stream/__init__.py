"""The live stream: events as they come, for browsers and scripts that keep a connection open."""
