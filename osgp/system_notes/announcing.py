"""Telling others of system notes: an upper package registers a function that is called for each."""

from collections.abc import Callable

from osgp.system_notes.models import SystemNote

Announcement = Callable[[SystemNote], object]

_announcements: list[Announcement] = []


def call_for_notes(announcement: Announcement) -> None:
    """Have ``announcement`` called with each note that is announced; registering it again changes nothing.

    It is called within the transaction that stores the note, so what it raises keeps the note, and the
    outcome that belongs to it, from being stored. ``note.device`` is loaded as far as its key and
    identification.
    """
    if announcement not in _announcements:
        _announcements.append(announcement)


def announce(note: SystemNote) -> None:
    """Tell that a note was opened, or opened again, or that what it is about has happened again."""
    for announcement in _announcements:
        announcement(note)
