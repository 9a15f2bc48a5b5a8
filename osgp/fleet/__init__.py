"""One message to many devices, once or again and again."""
