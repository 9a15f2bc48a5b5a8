"""What COSEM values mean: clocks, measured values, status flags, M-Bus identities, rows of profile buffers.

Messages share these interpretations. They know neither Django nor requests, and do not talk to meters.
"""
