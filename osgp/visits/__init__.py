"""Visits to meters: who is dialled when, and what the worker does then."""
