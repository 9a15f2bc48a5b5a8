"""What meters push: kept as received, then decoded to alarms, readings and announced addresses."""
