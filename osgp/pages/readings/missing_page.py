"""The page of missing readings, and the button that fetches them again."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from osgp.accounts.models import Organisation
from osgp.completeness import missing
from osgp.completeness.fetching import is_worth_asking
from osgp.completeness.gaps import MEANINGS, DeviceGaps, Gap, Reason
from osgp.completeness.models import LONGEST_COMMENT
from osgp.completeness.selections import Selection
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device, DeviceType
from osgp.messages.readings import Period
from osgp.networks.models import CommunicationNetwork
from osgp.pages.access import get_organisation
from osgp.pages.readings.accepting import accept_chosen, is_about_acceptance
from osgp.pages.readings.fetching import UnderWay, count_devices, fetch_all, find_under_way
from osgp.pages.shared.display_text import split_words
from osgp.pages.shared.page import render_page
from osgp.readings.calendar import DAY, find_day
from osgp.readings.quantities import find_tag

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

PAGE_SIZE = 50
GAPS_SHOWN = 6
TONES = {
    Reason.BEING_FETCHED: "active",
    Reason.NEVER_ASKED: "neutral",
    Reason.REQUEST_FAILED: "bad",
    Reason.UNREACHABLE: "bad",
    Reason.POWER_FAILURE: "warning",
    Reason.NOT_DELIVERED: "warning",
    Reason.ACCEPTED: "neutral",
}


class MissingForm(forms.Form):
    """Which readings should be there."""

    period = forms.ChoiceField(
        choices=[(str(each), str(each).capitalize()) for each in Period if each != Period.ACTUAL],
        required=False,
    )
    first = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    device = forms.CharField(required=False, max_length=40)
    group = forms.ModelChoiceField(DeviceGroup.objects.none(), required=False, empty_label="All")
    network = forms.ModelChoiceField(CommunicationNetwork.objects.all(), required=False, empty_label="All")
    device_type = forms.ChoiceField(label="Type", choices=[("", "All"), *DeviceType.choices], required=False)
    reason = forms.ChoiceField(
        choices=[("", "All"), *((str(reason), split_words(reason)) for reason in Reason)], required=False
    )

    def __init__(
        self, *args: Any, organisation: Organisation | None, devices: QuerySet[Device], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._devices = devices
        groups = DeviceGroup.objects.select_related("organisation")
        if organisation is not None:
            groups = groups.filter(organisation=organisation)
        self.fields["group"].queryset = groups  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Yesterday unless chosen; days in their order, and not too many."""
        cleaned = super().clean() or {}
        first, _ = missing.get_default_days()
        cleaned["period"] = cleaned.get("period") or str(Period.INTERVAL)
        last = cleaned.get("last") or max(cleaned.get("first") or first, first)
        cleaned["last"] = last
        cleaned["first"] = cleaned.get("first") or min(first, last)
        if cleaned["first"] > last:
            self.add_error("last", "Must not be before the first day.")
        elif last - cleaned["first"] >= missing.LONGEST_RANGE:
            self.add_error("first", f"{missing.LONGEST_RANGE.days} days at most.")
        elif not (cleaned["first"].year >= 2000 and last.year < 2099):
            self.add_error("first", "Must be in the years 2000 to 2098.")
        return cleaned

    def clean_device(self) -> str:
        """The identification of a device that the user may see."""
        identification: str = self.cleaned_data["device"]
        if identification and not self._devices.filter(identification=identification).exists():
            raise forms.ValidationError(f"There is no device {identification}.")
        return identification

    def make_selection(self) -> Selection:
        """What a valid form asks for."""
        asked = self.cleaned_data
        return Selection(
            asked["period"],
            asked["first"],
            asked["last"] + DAY,
            (asked["device"],) if asked["device"] else (),
            asked["group"],
            asked["network"],
            asked["device_type"] or None,
            frozenset({Reason(asked["reason"])} if asked["reason"] else ()),
        )


def show_missing(
    model_admin: "ModelAdmin[Any]", request: HttpRequest, devices: QuerySet[Device]
) -> HttpResponse:
    """Filters, a page of meters with their gaps, and what can be done about them (POST)."""
    organisation = get_organisation(request)
    given = {**_choose_defaults(), **request.GET.dict()}
    form = MissingForm(given, organisation=organisation, devices=devices)
    cursor = request.GET.get("cursor", "")
    after = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 else 0
    page = missing.Page([], None)
    may_fetch = request.user.has_perm("requests.add_request")
    total, under_way = "", UnderWay([], is_same=False)
    if form.is_valid():
        selection = form.make_selection()
        question = selection.ask(devices)
        if request.method == "POST" and may_fetch:
            if is_about_acceptance(request):
                accept_chosen(request, question, organisation)
            else:
                fetch_all(request, selection, organisation)
            return HttpResponseRedirect(request.get_full_path())
        page = missing.find_missing(question, PAGE_SIZE, after)
        under_way = find_under_way(selection, organisation)
        total = count_devices(selection, question, organisation, page, after)
    query = request.GET.copy()
    query.pop("cursor", None)
    following = urlencode({**query.dict(), "cursor": page.cursor}) if page.cursor is not None else ""
    return render_page(
        model_admin,
        request,
        "admin/readings/missing.html",
        title="Missing readings",
        form=form,
        found=[_describe(one) for one in page.found],
        next=following,
        first_page=after == 0,
        first_query=query.urlencode(),
        period=form.cleaned_data.get("period") if form.is_valid() else "",
        total=total,
        exact_total=total.replace(",", "").isdigit(),
        has_more=bool(after or page.cursor),
        under_way=under_way.batches,
        may_see_batches=request.user.has_perm("batches.view_batch"),
        may_fetch=may_fetch
        and (page.cursor is not None or after > 0 or _has_worth(page))
        and not under_way.is_same,
        may_accept=may_fetch and bool(page.found),
        may_take_back=any(gap.acceptance for one in page.found for gap in one.gaps),
        longest_comment=LONGEST_COMMENT,
        is_bound_valid=form.is_valid(),
    )


def _choose_defaults() -> dict[str, str]:
    first, until = missing.get_default_days()
    return {"period": str(Period.INTERVAL), "first": first.isoformat(), "last": (until - DAY).isoformat()}


def _has_worth(page: missing.Page) -> bool:
    """Whether meters of the page may be asked for something."""
    return any(is_worth_asking(gap) for one in page.found for gap in one.gaps)


def _describe(one: DeviceGaps) -> dict[str, Any]:
    zone = ZoneInfo(one.device.time_zone)
    gaps = [
        {
            "gap": gap,
            "range": _format_range(gap, zone),
            "quantities": ", ".join(_name_quantity(one.device, code) for code in gap.quantities)
            if gap.is_partial
            else "",
            "tone": TONES[gap.reason],
            "meaning": MEANINGS[gap.reason],
        }
        for gap in one.gaps[:GAPS_SHOWN]
    ]
    more = len(one.gaps) - len(gaps)
    return {
        "device": one.device,
        "since": f"{one.since.astimezone(zone):%d %b %H:%M}",
        "day": find_day(one.since, zone),
        "count": one.count,
        "gaps": gaps,
        "more": more,
        "rows": len(gaps) + (more > 0),
    }


def _format_range(gap: Gap, zone: ZoneInfo) -> str:
    first, last = gap.first.astimezone(zone), gap.last.astimezone(zone)
    if gap.count == 1:
        return f"{first:%d %b %H:%M}"
    return (
        f"{first:%d %b %H:%M} – {last:%H:%M}"
        if first.date() == last.date()
        else (f"{first:%d %b %H:%M} – {last:%d %b %H:%M}")
    )


def _name_quantity(device: Device, code: str) -> str:
    meter = device.gateway or device
    tag = find_tag(meter.protocol_name, meter.protocol_version, code)
    return split_words(tag) if tag else code
