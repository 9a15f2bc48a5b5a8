"""Who may see what a meter said, beside its owners."""

from osgp.accounts.functions import DeviceFunctionGroup

READERS = (DeviceFunctionGroup.MONITORING,)
