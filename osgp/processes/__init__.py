"""What all processes of the platform have in common: database lanes, duties, hints to wake up, and an end."""
