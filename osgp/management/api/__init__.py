"""The part of the REST API that answers at once, without a request."""
