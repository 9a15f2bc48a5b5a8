#!/usr/bin/env python
"""The one door: web, dispatcher, worker, simulator and tools are all commands of this file."""

import os
import sys


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "osgp.settings")
    from django.core.management import execute_from_command_line

    from osgp.audit.command_line import acting_for_a_person

    with acting_for_a_person(sys.argv):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
