"""The REST API of what is answered at once, without a request."""
