"""Values of the objects that say what the meter is and how it is set up."""

from ..codec.axdr import (
    DataType,
    array,
    bit_string,
    boolean,
    double_long_unsigned,
    enum,
    long_unsigned,
    octet_string,
    structure,
    unsigned,
    visible_string,
)
from .control import FACTORY_MODE
from .identity import derive
from .object_list import encode_object_list
from .query import Query
from .registry import Text, number_of, text_of, value_of, value_of_class
from .tariff_calendar import FACTORY_DAYS, FACTORY_NAME, FACTORY_SEASONS, FACTORY_WEEKS

IMAGE_BLOCK_SIZE = 512
_CONFIGURATION_FLAGS = "0011001001000000"
_EVERY_DATE_TIME = bytes.fromhex("FFFFFFFFFFFFFFFFFF800000")

# security_policy 3 of version 0: all APDUs authenticated and encrypted; the same in the bits of version 1
_POLICY_VERSION_0 = 3
_POLICY_VERSION_1 = 0x6C


@text_of("LOGICAL_DEVICE_NAME")
def logical_device_name(query: Query) -> str:
    """The manufacturer's three letters and the meter's number."""
    return query.meter.logical_device_name.decode()


@text_of("DEVICE_ID_1")
@text_of("DEVICE_ID_2")
def device_id(query: Query) -> str:
    """The identification by which the head-end knows the meter, as serial number and as equipment
    identifier: the latter is what meters push."""
    return query.meter.identification


@value_of_class("sap_assignment", "sap_assignment_list")
def sap_assignment(query: Query) -> bytes:
    """The one logical device that the meter shows."""
    name = octet_string(query.meter.logical_device_name)
    return array([structure(long_unsigned(query.meter.logical_device_address), name)])


@value_of_class("security_setup", "security_policy")
def security_policy(query: Query) -> bytes:
    """Authenticated and encrypted in both directions, or nothing."""
    if not query.meter.is_ciphered:
        return enum(0)
    return enum(_POLICY_VERSION_1 if query.entry.class_version else _POLICY_VERSION_0)


@value_of_class("security_setup", "client_system_title")
def client_system_title(query: Query) -> bytes:
    """The client that asks."""
    return octet_string(query.association.client_system_title if query.association else b"")


@value_of_class("security_setup", "server_system_title")
def server_system_title(query: Query) -> bytes:
    """The meter's own title."""
    return octet_string(query.meter.system_title)


def _make_firmware(component: str) -> Text:
    return lambda query: f"{component} {query.meter.type.profile.protocol_version}"


for _tag, _component in (
    ("ACTIVE_FIRMWARE_IDENTIFIER", "SIM E-METER"),
    ("MODULE_ACTIVE_FIRMWARE_IDENTIFIER", "SIM MODULE"),
    ("COMMUNICATION_MODULE_ACTIVE_FIRMWARE_IDENTIFIER", "SIM MODEM"),
    ("MBUS_DRIVER_ACTIVE_FIRMWARE_IDENTIFIER", "SIM M-BUS"),
):
    text_of(_tag)(_make_firmware(_component))


@value_of("ACTIVE_FIRMWARE_SIGNATURE", data_type=DataType.OCTET_STRING)
@value_of("MODULE_FIRMWARE_SIGNATURE", data_type=DataType.OCTET_STRING)
@value_of("COMMUNICATION_MODULE_FIRMWARE_SIGNATURE", data_type=DataType.OCTET_STRING)
@value_of("MBUS_DRIVER_ACTIVE_FIRMWARE_SIGNATURE", data_type=DataType.OCTET_STRING)
def firmware_signature(query: Query) -> bytes:
    """16 octets that differ per profile."""
    return octet_string(derive(0, query.meter.type.profile.key, "firmware"))


@text_of("P1_PORT_VERSION")
def p1_port_version(query: Query) -> str:
    """Version of the customer port, two digits: that of the standard on which the meter's is founded."""
    profile = query.meter.type.profile
    while profile.parent is not None:
        profile = profile.parent
    return "".join(profile.protocol_version.split(".")[:2])


@value_of_class("image_transfer", "image_block_size")
def image_block_size(query: Query) -> bytes:
    """Octets per block of a firmware image."""
    return double_long_unsigned(IMAGE_BLOCK_SIZE)


@value_of_class("disconnect_control", "output_state")
def output_state(query: Query) -> bytes:
    """Whether the customer has power."""
    return boolean(query.meter.memory.connected)


@value_of_class("disconnect_control", "control_state")
def control_state(query: Query) -> bytes:
    """0 disconnected, 1 connected, 2 ready for reconnection."""
    return enum(query.meter.memory.control_state)


@value_of_class("disconnect_control", "control_mode")
def control_mode(query: Query) -> bytes:
    """Until a client chooses: remote disconnection and reconnection."""
    return enum(FACTORY_MODE)


@number_of("ADMINISTRATIVE_IN_OUT")
def administrative_in_out(query: Query) -> float:
    """2: on."""
    return 2


@value_of("CONFIGURATION_OBJECT", data_type=DataType.BIT_STRING)
def configuration_flags(query: Query) -> bytes:
    """The flags alone."""
    return bit_string(_CONFIGURATION_FLAGS)


@value_of("CONFIGURATION_OBJECT", data_type=DataType.STRUCTURE)
def configuration_object(query: Query) -> bytes:
    """The GPRS operation mode and the flags."""
    return structure(enum(1), bit_string(_CONFIGURATION_FLAGS))


@value_of("RANDOMISATION_SETTINGS", data_type=DataType.STRUCTURE)
def randomisation_settings(query: Query) -> bytes:
    """Start window in seconds, multiplication factor, number of retries."""
    return structure(double_long_unsigned(900), long_unsigned(3), long_unsigned(5))


@value_of("TARIFFICATION_SCRIPT_TABLE", "scripts")
def tariffication_scripts(query: Query) -> bytes:
    """Scripts 1 and 2 switch to the low and the high tariff."""
    register = octet_string(bytes((0, 0, 96, 14, 0, 255)))

    def script(number: int) -> bytes:
        action = structure(enum(1), long_unsigned(1), register, b"\x0f\x02", octet_string(bytes((0, number))))
        return structure(long_unsigned(number), array([action]))

    return array([script(1), script(2)])


@value_of_class("activity_calendar", "calendar_name_active")
@value_of_class("activity_calendar", "calendar_name_passive")
def calendar_name(query: Query) -> bytes:
    """Text."""
    return FACTORY_NAME


@value_of_class("activity_calendar", "season_profile_active")
@value_of_class("activity_calendar", "season_profile_passive")
def season_profile(query: Query) -> bytes:
    """One season from 1 January, with week 1."""
    return FACTORY_SEASONS


@value_of_class("activity_calendar", "week_profile_table_active")
@value_of_class("activity_calendar", "week_profile_table_passive")
def week_profile_table(query: Query) -> bytes:
    """Week 1 has day 0 only."""
    return FACTORY_WEEKS


@value_of_class("activity_calendar", "day_profile_table_active")
@value_of_class("activity_calendar", "day_profile_table_passive")
def day_profile_table(query: Query) -> bytes:
    """Day 0 is high from 7 to 23 hours; day 1 is low."""
    return FACTORY_DAYS


@value_of_class("activity_calendar", "activate_passive_calendar_time")
def activate_passive_calendar_time(query: Query) -> bytes:
    """Not planned."""
    return octet_string(_EVERY_DATE_TIME)


@value_of_class("single_action_schedule", "executed_script")
def executed_script(query: Query) -> bytes:
    """The test script of the object."""
    return structure(octet_string(bytes((0, 0, 10, 0, 107, 255))), long_unsigned(1))


@value_of_class("association_ln", "object_list")
def object_list(query: Query) -> bytes:
    """All objects with their access rights, as this client sees them."""
    public = query.association is not None and query.association.is_public
    version = query.entry.class_version
    return encode_object_list(query.meter.type, version, public, query.meter.is_ciphered)


@value_of_class("association_ln", "associated_partners_id")
def associated_partners(query: Query) -> bytes:
    """Addresses of client and server."""
    association = query.association
    client, server = (association.client_address, association.server_address) if association else (0, 0)
    return structure(b"\x0f" + bytes((client & 0x7F,)), long_unsigned(server))


def _make_name(group: int, last: int) -> bytes:
    """An object identifier of the DLMS UA as the structure that the association object has."""
    arcs = (unsigned(2), unsigned(16), long_unsigned(756), unsigned(5), unsigned(8), unsigned(group))
    return structure(*arcs, unsigned(last))


@value_of_class("association_ln", "application_context_name")
def application_context_name(query: Query) -> bytes:
    """The context that was agreed."""
    return _make_name(1, query.association.context if query.association else 1)


@value_of_class("association_ln", "xdlms_context_info")
def xdlms_context(query: Query) -> bytes:
    """Conformance, sizes and version that were agreed."""
    association = query.association
    conformance = f"{association.conformance:024b}" if association else "0" * 24
    size = association.maximum_pdu_size if association else 0
    maximum = long_unsigned(size)
    return structure(
        bit_string(conformance),
        maximum,
        long_unsigned(query.meter.settings.maximum_pdu_size),
        unsigned(6),
        b"\x0f\x00",
        octet_string(b""),
    )


@value_of_class("association_ln", "authentication_mechanism_name")
def authentication_mechanism_name(query: Query) -> bytes:
    """The mechanism that was used."""
    return _make_name(2, query.association.mechanism if query.association else 0)


@value_of_class("association_ln", "lls_secret")
@value_of_class("association_ln", "secret")
def association_secret(query: Query) -> bytes:
    """Never shown."""
    return octet_string(b"")


@value_of_class("association_ln", "association_status")
def association_status(query: Query) -> bytes:
    """2: associated."""
    return enum(2)


@value_of_class("association_ln", "current_user")
def current_user(query: Query) -> bytes:
    """There are no users."""
    return structure(unsigned(0), visible_string(""))
