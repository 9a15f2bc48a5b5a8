"""Writes the table of docs/how-to/a-meter-that-is-different.md: which settings a meter can be given, and why.

    python -m scripts.setting_table

osgp/devices/meter_settings.py says it; tests/devices/test_settings_page.py compares the page with that.
"""

import sys
from pathlib import Path

from osgp.devices.meter_settings import SETTINGS, Kind, Setting

PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-to" / "a-meter-that-is-different.md"
BEGIN = "<!-- Written by python -m scripts.setting_table; do not edit. -->\n"
END = "<!-- End of what is written by the script. -->\n"


def render() -> str:
    """The table."""
    rows = [f"| `{each.name}` | {_show_values(each)} | {each.help} |\n" for each in SETTINGS.values()]
    return "| setting | values | why |\n|---|---|---|\n" + "".join(rows)


def _show_values(setting: Setting) -> str:
    default = ""
    if setting.default is not None:
        is_number = setting.minimum is not None
        default = f" ({setting.default:g})" if is_number else f" ({setting.default})"
    if setting.choices:
        return ", ".join(f"`{each}`" for each in setting.choices) + default
    if setting.minimum is not None:
        unit = " s" if setting.kind is Kind.SECONDS else ""
        return f"{setting.minimum:g} to {setting.maximum:g}{unit}{default}"
    return "OBIS code" if setting.kind is Kind.OBIS_CODE else "16 hexadecimal digits"


def put_in(page: str) -> str:
    """The page with the table as it is now. Raises ValueError if it has no place for it."""
    head, _, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not end:
        raise ValueError("the page has no place for the table")
    return f"{head}{BEGIN}\n{render()}\n{END}{tail}"


def main() -> int:
    """Write the page."""
    PAGE.write_text(put_in(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
