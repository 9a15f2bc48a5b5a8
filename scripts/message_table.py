"""Writes docs/messages.md: which messages there are, and what each needs of a meter.

    python -m scripts.message_table

The registry and the catalogue say it; tests/test_contributing.py compares the page with them.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from osgp.catalogue import Profile

PAGE = Path(__file__).resolve().parents[1] / "docs" / "messages.md"

HEAD = """# Messages

<!-- Written by python -m scripts.message_table; do not edit. -->

Every message, what it does, and the COSEM objects that it needs. Objects are named by their tags in
[meter profiles](how-to/add-a-meter-profile.md). A message is refused with fault 416 when the profile of the
meter lacks what it needs. The API documents parameters and results at `/api/v1/docs/`.
"""


def render(profiles: "Sequence[Profile]") -> str:
    """The page, for these profiles."""
    from osgp.messages.needs import AnyOf, Need
    from osgp.messages.operation import Operation
    from osgp.messages.registry import list_operations

    def show(need: Need) -> str:
        # Other needs are told in words.
        return f"`{need}`".replace(" or ", "` or `") if isinstance(need, str | AnyOf) else str(need)

    def row(operation: Operation) -> str:
        needs = ", ".join(show(need) for need in operation.needs)
        missing = [profile.key for profile in profiles if not operation.supports(profile)]
        purpose = (operation.__doc__ or "").strip().split("\n\n")[0]
        purpose = " ".join(purpose.split())
        lacking = "no: " + ", ".join(missing) if missing else "all"
        return (
            f"| {operation.message} | `{operation.derive_path()}` | {purpose} | {needs or '–'} | {lacking} |"
        )

    rows = "\n".join(row(operation) for operation in list_operations())
    return f"{HEAD}\n| message | path | what it does | needs | profiles |\n|---|---|---|---|---|\n{rows}\n"


def main() -> int:
    """Write the page, for the profiles that are shipped."""
    if "DATABASE_URL" not in os.environ:
        os.environ["OSGP_EMBEDDED"] = "1"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "osgp.settings")
    os.environ.pop("OSGP_PROFILES", None)
    django.setup()
    from osgp import catalogue

    PAGE.write_text(render(catalogue.list_profiles()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
