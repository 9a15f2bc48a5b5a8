"""SetSpecificAttributeValue: write integers that profiles let be set by name."""

from collections.abc import Iterator, Mapping
from typing import Annotated, TypedDict

from rest_framework.exceptions import ValidationError

from osgp import catalogue
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import Attribute, Profile
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.integers import encode_integer
from osgp.cosem.quantities import parse_whole_number
from osgp.faults import Fault, FaultCode
from osgp.messages.changes import Setting, change
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import ChoiceField, IntegerField
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

MOST_VALUES = 64
VALUES = "values"


def _list_settable() -> Mapping[str, Mapping[int, tuple[Attribute, ...]]]:
    """The attributes that may be set by name, as each profile has them, by tag and attribute id."""
    found: dict[str, dict[int, tuple[Attribute, ...]]] = {}
    for profile in catalogue.list_profiles():
        for item in profile:
            for attribute_id in item.settable:
                of_tag = found.setdefault(item.tag, {})
                of_tag[attribute_id] = (*of_tag.get(attribute_id, ()), item.attributes[attribute_id])
    return found


_SETTABLE = _list_settable()


class _AnySettable:
    """The need of any attribute that may be set by name."""

    def is_met_by(self, profile: Profile) -> bool:
        return any(item.settable for item in profile)

    def __str__(self) -> str:
        return "an attribute that may be set by name"


class AttributeValue(TypedDict):
    """A value to write."""

    object: Annotated[str, ChoiceField(tuple(_SETTABLE)), "Tag of an object of the meter's profile."]
    attribute: Annotated[int, IntegerField(min_value=1, max_value=127)]
    value: Annotated[
        int,
        IntegerField(min_value=-(2**63), max_value=2**64 - 1),
        "As the attribute holds it; its data type, which the profile states, limits it.",
    ]


class SetSpecificAttributeValueParameters(TypedDict):
    """The values, in the order in which they are written."""

    values: Annotated[list[AttributeValue], f"1 to {MOST_VALUES}, each of another attribute."]


class AttributeValueChange(TypedDict):
    """A value, read from the meter."""

    object: str
    attribute: int
    before: Annotated[int | None, "Null if the meter did not say."]
    after: Annotated[int | None, "Null if the meter does not say."]


class SetSpecificAttributeValueResult(TypedDict):
    """The values, in the order of the request."""

    values: list[AttributeValueChange]


@register
class SetSpecificAttributeValue(
    MeterOperation[SetSpecificAttributeValueParameters, SetSpecificAttributeValueResult]
):
    """Write integers to attributes that the meter's profile lets be set by name.

    Shipped profiles have randomisation_start_interval, number_of_retries and repetition_delay (attributes 5,
    6 and 7) of the push setups; installations add others in profiles of their own. All values are written in
    one request, where the meter takes lists, and read back. If the meter refuses one of them, the message
    fails, and the fault says which were written.
    """

    message = "SetSpecificAttributeValue"
    service = Service.ADHOC
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.AD_HOC})
    needs = (_AnySettable(),)

    def check_parameters(self, parameters: SetSpecificAttributeValueParameters) -> None:
        """Refuse what no profile lets be set, and repeated attributes. Raises ValidationError by value."""
        values = parameters["values"]
        if not 1 <= len(values) <= MOST_VALUES:
            raise ValidationError({VALUES: [f"Must have 1 to {MOST_VALUES} values."]})
        errors = dict(_list_errors(values))
        if errors:
            raise ValidationError({VALUES: errors})

    def check_profile(self, profile: Profile, parameters: SetSpecificAttributeValueParameters) -> None:
        """Raises Fault 416 for what the profile does not let be set, 401 for what its type cannot hold."""
        super().check_profile(profile, parameters)
        for index, item in enumerate(parameters["values"]):
            _encode(profile, index, item)

    def perform(
        self, meter: VisitedMeter, parameters: SetSpecificAttributeValueParameters
    ) -> SetSpecificAttributeValueResult:
        values = parameters["values"]
        settings = [
            Setting(
                _name(item),
                meter.find_object(item["object"]).address_attribute(item["attribute"]),
                _encode(meter.profile, index, item),
                _parse,
            )
            for index, item in enumerate(values)
        ]
        return {
            "values": [
                {
                    "object": item["object"],
                    "attribute": item["attribute"],
                    "before": changed.before,
                    "after": changed.after,
                }
                for item, changed in zip(values, change(meter, settings), strict=True)
            ]
        }


def _list_errors(values: list[AttributeValue]) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """What is wrong with each value on any meter, by its position."""
    seen = set()
    for index, item in enumerate(values):
        attributes = _SETTABLE[item["object"]].get(item["attribute"], ())
        if not attributes:
            yield str(index), {"attribute": [f"No profile lets it be set in {item['object']}."]}
        elif not any(item["value"] in (attribute.integer_range or ()) for attribute in attributes):
            yield str(index), {"value": ["Is out of the range of its data type."]}
        elif (item["object"], item["attribute"]) in seen:
            yield str(index), {"attribute": ["Is in the list already."]}
        seen.add((item["object"], item["attribute"]))


def _name(item: AttributeValue) -> str:
    return f"{item['object']} attribute {item['attribute']}"


def _encode(profile: Profile, index: int, item: AttributeValue) -> Data:
    """The value as the meters of a profile hold it. Raises Fault 416 or 401, with a pointer."""
    tag, attribute_id = item["object"], item["attribute"]
    if tag not in profile or attribute_id not in profile[tag].settable:
        raise Fault(
            FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
            f"{_name(item)} is none of the attributes that may be set in {profile.key} meters.",
            pointer=f"/{VALUES}/{index}/{'attribute' if tag in profile else 'object'}",
        )
    try:
        return encode_integer(profile[tag].attributes[attribute_id], item["value"])
    except ValueError as error:
        raise Fault(
            FaultCode.VALIDATION_ERROR, f"{_name(item)}: {error}.", pointer=f"/{VALUES}/{index}/value"
        ) from error


def _parse(data: Data) -> int:
    number = parse_whole_number(data, "the attribute")
    if number is None:
        raise make_illegal_response("The attribute has no value.")
    return number
