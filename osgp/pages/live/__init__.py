"""The live page: what the platform does now, how it went lately, and which of its processes are there."""
