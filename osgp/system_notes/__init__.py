"""System notes: what the platform has noticed of a device and an operator should know or do.

A kind of note is one entry of ``kinds.KINDS``, and a module or function that makes observations of it.
"""
