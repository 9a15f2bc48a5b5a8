"""The function groups that may read an organisation's readings, beside OWNER."""

from osgp.accounts.functions import DeviceFunctionGroup

READERS = (DeviceFunctionGroup.MONITORING,)
