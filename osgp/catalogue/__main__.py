"""``python -m osgp.catalogue``: lists the profiles, or tells the first mistake in their files."""

import sys

from osgp import catalogue


def main() -> int:
    """Exit code 1 when a file is wrong."""
    try:
        found = catalogue.list_profiles()
    except catalogue.CatalogueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for profile in found:
        inherits = f", inherits {profile.parent.key}" if profile.parent else ""
        sys.stdout.write(f"{profile.key}: {len(profile)} objects{inherits}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
