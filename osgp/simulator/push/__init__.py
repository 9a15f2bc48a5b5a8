"""What meters send without being asked: alarms, last gasps, wake-ups and values, in the forms of real meters.

An :class:`~.orders.Order` says what a meter pushes; :mod:`.forms` and :mod:`.packing` make octets of it, and
:mod:`.delivery` sends them. :class:`~.pusher.Pusher` does it for a fleet, :mod:`.watch` finds out when.
"""
