"""Values of the objects that say what the meter is and how it is set up."""

from ..codec.axdr import (
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
from .object_list import encoded_object_list
from .query import Provider, Query
from .registry import value_of, value_of_class

TARIFF_SCRIPT_TABLE = bytes((0, 0, 10, 0, 100, 255))
IMAGE_BLOCK_SIZE = 512
_EVERY_DATE_TIME = bytes.fromhex("FFFFFFFFFFFFFFFFFF800000")

# security_policy 3 of version 0: all APDUs authenticated and encrypted; the same in the bits of version 1
_POLICY_VERSION_0 = 3
_POLICY_VERSION_1 = 0x6C


@value_of("LOGICAL_DEVICE_NAME")
def logical_device_name(query: Query) -> bytes:
    """16 octets: the manufacturer's three letters and the meter's number."""
    return octet_string(query.meter.logical_device_name)


@value_of("DEVICE_ID_1")
def device_id_1(query: Query) -> bytes:
    """The identification by which the head-end knows the meter."""
    return octet_string(query.meter.identification.encode())


@value_of("DEVICE_ID_2")
def device_id_2(query: Query) -> bytes:
    """The serial number."""
    return octet_string(f"{query.meter.number:08d}".encode())


@value_of("SAP_ASSIGNMENT")
def sap_assignment(query: Query) -> bytes:
    """The one logical device that the meter shows."""
    name = octet_string(query.meter.logical_device_name)
    return array([structure(long_unsigned(query.meter.logical_device_address), name)])


@value_of("SECURITY_SETUP", 2)
def security_policy(query: Query) -> bytes:
    """Authenticated and encrypted in both directions, or nothing."""
    if not query.meter.is_ciphered:
        return enum(0)
    return enum(_POLICY_VERSION_1 if query.entry.class_version else _POLICY_VERSION_0)


@value_of("SECURITY_SETUP", 4)
def client_system_title(query: Query) -> bytes:
    """The client that asks."""
    return octet_string(query.association.client_system_title if query.association else b"")


@value_of("SECURITY_SETUP", 5)
def server_system_title(query: Query) -> bytes:
    """The meter's own title."""
    return octet_string(query.meter.system_title)


def _firmware(text: str) -> Provider:
    def provider(query: Query) -> bytes:
        return octet_string(f"{text} {query.meter.type.profile.protocol_version}".encode())

    return provider


for _tag, _text in (
    ("ACTIVE_FIRMWARE_IDENTIFIER", "SIM E-METER"),
    ("MODULE_ACTIVE_FIRMWARE_IDENTIFIER", "SIM MODULE"),
    ("COMMUNICATION_MODULE_ACTIVE_FIRMWARE_IDENTIFIER", "SIM MODEM"),
    ("MBUS_DRIVER_ACTIVE_FIRMWARE_IDENTIFIER", "SIM M-BUS"),
):
    value_of(_tag)(_firmware(_text))


@value_of("ACTIVE_FIRMWARE_SIGNATURE")
@value_of("MODULE_FIRMWARE_SIGNATURE")
@value_of("COMMUNICATION_MODULE_FIRMWARE_SIGNATURE")
@value_of("MBUS_DRIVER_ACTIVE_FIRMWARE_SIGNATURE")
def firmware_signature(query: Query) -> bytes:
    """16 octets that differ per profile."""
    return octet_string(derive(0, query.meter.type.profile.key, "firmware"))


@value_of("P1_PORT_VERSION")
def p1_port_version(query: Query) -> bytes:
    """Version of the customer port."""
    return octet_string(b"50" if query.meter.type.profile.protocol_version.startswith("5") else b"42")


@value_of("IMAGE_TRANSFER", 2)
def image_block_size(query: Query) -> bytes:
    """Octets per block of a firmware image."""
    return double_long_unsigned(IMAGE_BLOCK_SIZE)


@value_of("DISCONNECT_CONTROL", 2)
def output_state(query: Query) -> bytes:
    """Whether the customer has power."""
    return boolean(query.meter.memory.connected)


@value_of("DISCONNECT_CONTROL", 3)
def control_state(query: Query) -> bytes:
    """0 disconnected, 1 connected, 2 ready for reconnection."""
    return enum(query.meter.memory.control_state)


@value_of("DISCONNECT_CONTROL", 4)
def control_mode(query: Query) -> bytes:
    """Until a client chooses: remote disconnection and reconnection."""
    return enum(FACTORY_MODE)


@value_of("ADMINISTRATIVE_IN_OUT")
def administrative_in_out(query: Query) -> bytes:
    """2: on."""
    return enum(2)


@value_of("CONFIGURATION_OBJECT")
def configuration_object(query: Query) -> bytes:
    """The flags, as a bare bit-string or with the GPRS operation mode, whichever the profile has."""
    flags = bit_string("0011001001000000")
    return flags if query.meter.type.profile.protocol_version.startswith("5") else structure(enum(1), flags)


@value_of("RANDOMISATION_SETTINGS")
def randomisation_settings(query: Query) -> bytes:
    """Start window in seconds, multiplication factor, number of retries."""
    return structure(double_long_unsigned(900), long_unsigned(3), long_unsigned(5))


@value_of("TARIFFICATION_SCRIPT_TABLE")
def tariffication_scripts(query: Query) -> bytes:
    """Scripts 1 and 2 switch to the low and the high tariff."""
    register = octet_string(bytes((0, 0, 96, 14, 0, 255)))

    def script(number: int) -> bytes:
        action = structure(enum(1), long_unsigned(1), register, b"\x0f\x02", octet_string(bytes((0, number))))
        return structure(long_unsigned(number), array([action]))

    return array([script(1), script(2)])


@value_of("ACTIVITY_CALENDAR", 2)
@value_of("ACTIVITY_CALENDAR", 6)
def calendar_name(query: Query) -> bytes:
    """Text."""
    return octet_string(b"DEFAULT")


@value_of("ACTIVITY_CALENDAR", 3)
@value_of("ACTIVITY_CALENDAR", 7)
def season_profile(query: Query) -> bytes:
    """One season from 1 January, with week 1."""
    start = octet_string(bytes.fromhex("FFFF0101FF00000000800000"))
    return array([structure(octet_string(b"\x01"), start, octet_string(b"\x01"))])


@value_of("ACTIVITY_CALENDAR", 4)
@value_of("ACTIVITY_CALENDAR", 8)
def week_profile_table(query: Query) -> bytes:
    """Week 1 has day 0 from Monday to Friday and day 1 in the weekend."""
    return array([structure(octet_string(b"\x01"), *[unsigned(0)] * 5, unsigned(1), unsigned(1))])


@value_of("ACTIVITY_CALENDAR", 5)
@value_of("ACTIVITY_CALENDAR", 9)
def day_profile_table(query: Query) -> bytes:
    """Day 0 is high from 7 to 23 hours; day 1 is low."""

    def action(hour: int, script: int) -> bytes:
        table = octet_string(TARIFF_SCRIPT_TABLE)
        return structure(octet_string(bytes((hour, 0, 0, 0))), table, long_unsigned(script))

    workday = structure(unsigned(0), array([action(0, 1), action(7, 2), action(23, 1)]))
    return array([workday, structure(unsigned(1), array([action(0, 1)]))])


@value_of("ACTIVITY_CALENDAR", 10)
def activate_passive_calendar_time(query: Query) -> bytes:
    """Not planned."""
    return octet_string(_EVERY_DATE_TIME)


@value_of_class(40, 2)
def push_object_list(query: Query) -> bytes:
    """The meter's identification."""
    identification = octet_string(bytes((0, 0, 96, 1, 1, 255)))
    return array([structure(long_unsigned(1), identification, b"\x0f\x02", long_unsigned(0))])


@value_of_class(40, 3)
def send_destination_and_method(query: Query) -> bytes:
    """TCP to nowhere in particular."""
    return structure(enum(0), octet_string(b"127.0.0.1:9598"), enum(0))


@value_of_class(22, 2)
def executed_script(query: Query) -> bytes:
    """The test script of the object."""
    return structure(octet_string(bytes((0, 0, 10, 0, 107, 255))), long_unsigned(1))


@value_of("ASSOCIATION_LN", 2)
def object_list(query: Query) -> bytes:
    """All objects with their access rights, as this client sees them."""
    public = query.association is not None and query.association.is_public
    return encoded_object_list(query.meter.type, public, query.meter.is_ciphered)


@value_of("ASSOCIATION_LN", 3)
def associated_partners(query: Query) -> bytes:
    """Addresses of client and server."""
    association = query.association
    client, server = (association.client_address, association.server_address) if association else (0, 0)
    return structure(b"\x0f" + bytes((client & 0x7F,)), long_unsigned(server))


def _name(group: int, last: int) -> bytes:
    """An object identifier of the DLMS UA as the structure that the association object has."""
    arcs = (unsigned(2), unsigned(16), long_unsigned(756), unsigned(5), unsigned(8), unsigned(group))
    return structure(*arcs, unsigned(last))


@value_of("ASSOCIATION_LN", 4)
def application_context_name(query: Query) -> bytes:
    """The context that was agreed."""
    return _name(1, query.association.context if query.association else 1)


@value_of("ASSOCIATION_LN", 5)
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


@value_of("ASSOCIATION_LN", 6)
def authentication_mechanism_name(query: Query) -> bytes:
    """The mechanism that was used."""
    return _name(2, query.association.mechanism if query.association else 0)


@value_of("ASSOCIATION_LN", 7)
def association_secret(query: Query) -> bytes:
    """Never shown."""
    return octet_string(b"")


@value_of("ASSOCIATION_LN", 8)
def association_status(query: Query) -> bytes:
    """2: associated."""
    return enum(2)


@value_of("ASSOCIATION_LN", 11)
def current_user(query: Query) -> bytes:
    """There are no users."""
    return structure(unsigned(0), visible_string(""))
