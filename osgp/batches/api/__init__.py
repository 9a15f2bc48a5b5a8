"""The REST API of batches and recurring requests."""
