"""``python -m osgp.catalogue``: list the profiles, or report the first error in their files."""

import sys

from osgp import catalogue


def main() -> int:
    """Return the exit code: 1 if a file is wrong."""
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
