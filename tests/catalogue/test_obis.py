import pytest

from osgp.catalogue import obis
from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor


@pytest.mark.parametrize("text", ["1-0:1.8.0.255", "1.0.1.8.0.255"])
def test_parses_both_ways_of_writing(text: str) -> None:
    assert obis.parse(text) == bytes((1, 0, 1, 8, 0, 255))


def test_writes_with_dash_and_colon() -> None:
    assert obis.to_text(bytes((0, 1, 94, 31, 3, 255))) == "0-1:94.31.3.255"


@pytest.mark.parametrize("first", range(0, 256, 51))
def test_round_trip(first: int) -> None:
    logical_name = bytes((first, 255 - first, first, 0, 255, first))
    assert obis.parse(obis.to_text(logical_name)) == logical_name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1-0:1.8.0",
        "1-0:1.8.0.256",
        "1-0:1.8.0.255.0",
        "1-0:1.8.0.-1",
        " 1-0:1.8.0.255",
        "1-0:1.8.0.255\n",
        "1.0:1.8.0.255",
        "1-0.1.8.0.255",
        "a-0:1.8.0.255",
        "1-0:1.8.0.٢",
        "0-x:24.1.0.255",
        "1" * 100_000,
    ],
)
def test_refuses_what_is_no_obis_code(text: str) -> None:
    with pytest.raises(ValueError, match="not an OBIS code"):
        obis.parse(text)


def test_logical_name_needs_six_bytes() -> None:
    with pytest.raises(ValueError, match="6 bytes, not 5"):
        obis.to_text(bytes(5))


@pytest.mark.parametrize("text", ["0-x:24.1.0.255", "0.x.24.1.0.255"])
def test_template_takes_the_channel(text: str) -> None:
    template = obis.parse_template(text)
    assert template.per_channel
    assert str(template) == "0-x:24.1.0.255"
    assert template.get_logical_name(3) == bytes((0, 3, 24, 1, 0, 255))


@pytest.mark.parametrize("channel", [None, 0, 5])
def test_template_refuses_other_channels(channel: int | None) -> None:
    with pytest.raises(ValueError, match="needs an M-Bus channel of 1 to 4"):
        obis.parse_template("0-x:24.1.0.255").get_logical_name(channel)


def test_template_without_channel_refuses_one() -> None:
    template = obis.parse_template("0-0:1.0.0.255")
    assert not template.per_channel
    with pytest.raises(ValueError, match="has no M-Bus channel"):
        template.get_logical_name(1)


@pytest.mark.parametrize("text", ["x-0:24.1.0.255", "0-x:x.1.0.255", "0-X:24.1.0.255"])
def test_only_group_b_can_be_the_channel(text: str) -> None:
    with pytest.raises(ValueError, match="not an OBIS code"):
        obis.parse_template(text)


def test_descriptors_are_readable_in_messages() -> None:
    logical_name = obis.parse("0-1:24.1.0.255")
    assert str(AttributeDescriptor(72, logical_name, 6)) == "72/0-1:24.1.0.255/6"
    assert str(MethodDescriptor(72, logical_name, 8)) == "72/0-1:24.1.0.255/method 8"
