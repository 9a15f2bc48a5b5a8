"""Pushes: APDUs that meters send on their own. From octets to messages, and from messages to values."""
