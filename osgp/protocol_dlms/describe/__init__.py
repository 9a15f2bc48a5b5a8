"""Descriptions of APDUs in words, for people who analyse why a meter does not work as expected.

A :class:`Describer` follows one association: it remembers requests, to name the objects in the answers, and
joins blocks. Any input gives a text of bounded length; invalid parts are shown in hexadecimal.
"""

from osgp.protocol_dlms.describe.describer import Describer, Description, Names

__all__ = ["Describer", "Description", "Names"]
