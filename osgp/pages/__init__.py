"""Operators' pages, in Django's admin."""
