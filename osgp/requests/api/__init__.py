"""The REST API of requests: routes, documents and OpenAPI are derived from the operation registry."""
