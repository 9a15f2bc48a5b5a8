"""A smart-metering head-end system."""
