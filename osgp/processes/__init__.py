"""What all processes of the platform share: database lanes, duties, waking dispatchers, an orderly end."""
