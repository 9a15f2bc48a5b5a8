"""Events: what the platform tells web applications and pages on its own."""
