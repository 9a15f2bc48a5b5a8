"""What an APDU says, in words: for people who look for the reason why a meter does not do what it should.

A :class:`Describer` follows one association: it remembers what was asked, to name what is answered, and puts
blocks together. Whatever a meter sends, it ends in a text of bounded length; what cannot be made sense of is
shown in hexadecimal.
"""

from osgp.protocol_dlms.describe.describer import Describer, Description, Names

__all__ = ["Describer", "Description", "Names"]
