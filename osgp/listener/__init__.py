"""The push listener: takes what meters send on their own, and keeps it before it says so."""
