"""Groups of devices that an organisation addresses together."""
