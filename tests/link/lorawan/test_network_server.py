"""What the JSON of both network servers says, and what is refused of it in a sentence."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.lorawan.network_server import ChirpStack, NetworkUplink, TheThingsStack, get_server
from link.wire.control import NO_QUALITY, Quality
from tests.worlds.broker import chirpstack_uplink, things_stack_uplink

CHIRPSTACK = ChirpStack("a1")
CHIRPSTACK_TOPIC = "application/a1/device/70b3d57ed005b89a/event/up"
THINGS_STACK = TheThingsStack("app@ttn")
THINGS_STACK_TOPIC = "v3/app@ttn/devices/camera-1/up"


def test_an_uplink_of_chirpstack():
    event = chirpstack_uplink("70b3d57ed005b89a", 12, 101, b"\x01\x02\xff")
    assert CHIRPSTACK.read_uplink(CHIRPSTACK_TOPIC, json.dumps(event).encode()) == NetworkUplink(
        device="70b3d57ed005b89a",
        session=bytes.fromhex("01a2b3c4"),
        frame_counter=12,
        port=101,
        body=b"\x01\x02\xff",
        quality=Quality(9.2, -57),
    )


def test_an_uplink_of_the_things_stack_with_its_zeros_left_out():
    event = things_stack_uplink("camera-1", 0, 101, b"\x01\x02\xff")
    assert "f_cnt" not in event["uplink_message"]
    assert THINGS_STACK.read_uplink(
        THINGS_STACK_TOPIC, json.dumps(event).encode()
    ) == NetworkUplink(
        device="camera-1",
        session=bytes.fromhex("260b4d01"),
        frame_counter=0,
        port=101,
        body=b"\x01\x02\xff",
        quality=Quality(9.5, -68),
    )


def test_a_downlink_to_chirpstack():
    topic, message = CHIRPSTACK.write_downlink("70B3D57ED005B89A", 106, b"\x00\x05")
    assert topic == "application/a1/device/70b3d57ed005b89a/command/down"
    assert json.loads(message) == {
        "devEui": "70b3d57ed005b89a",
        "confirmed": False,
        "fPort": 106,
        "data": "AAU=",
    }


def test_a_downlink_to_the_things_stack():
    topic, message = THINGS_STACK.write_downlink("camera-1", 106, b"\x00\x05")
    assert topic == "v3/app@ttn/devices/camera-1/down/push"
    assert json.loads(message) == {
        "downlinks": [{"f_port": 106, "frm_payload": "AAU=", "priority": "NORMAL"}]
    }


def changed(**changes):
    return json.dumps(chirpstack_uplink("d", 1, 101, b"x") | changes).encode()


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (b"\x0a\x05proto", "is no JSON; set the network server's MQTT integration to JSON"),
        (b"[" * 50_000, "is no JSON"),
        (b'{"fCnt": ' + b"1" * 5000 + b"}", "is no JSON"),
        (b"[1]", "is no uplink: the message is no JSON object"),
        (b" " * 70_000, "has 70000 bytes, an uplink has at most"),
        (changed(devAddr=None), "its device address is not 4 bytes in hex"),
        (changed(devAddr="26"), "its device address is not 4 bytes in hex"),
        (changed(fCnt="7"), "fCnt is no whole number from 0 to 4294967295"),
        (changed(fCnt=-1), "fCnt is no whole number"),
        (changed(fPort=True), "fPort is no whole number from 0 to 255"),
        (changed(data="%%"), "data is no base64"),
        (changed(data={"a": 1}), "data is no base64"),
        (changed(data="A" * 400), "300 bytes, a frame has at most 242"),
    ],
)
def test_what_is_no_uplink_is_refused_in_a_sentence(message, sentence):
    with pytest.raises(ValueError, match=sentence):
        CHIRPSTACK.read_uplink(CHIRPSTACK_TOPIC, message)


def test_zeros_that_are_left_out_or_null_are_zeros():
    for zeros in ({}, {"fCnt": None, "fPort": None, "data": None}):
        event = chirpstack_uplink("70b3d57ed005b89a", 1, 101, b"x")
        for name in ("fCnt", "fPort", "data"):
            del event[name]
        uplink = CHIRPSTACK.read_uplink(CHIRPSTACK_TOPIC, json.dumps(event | zeros).encode())
        assert (uplink.frame_counter, uplink.port, uplink.body) == (0, 0, b"")


def test_chirpstack_v3_is_named():
    event = {
        "applicationID": "1",
        "devEUI": "cLPVftAFuJo=",
        "fCnt": 1,
        "fPort": 101,
        "data": "AAEC",
    }
    with pytest.raises(
        ValueError,
        match="is of ChirpStack v3, as its applicationID tells; update the network server",
    ):
        CHIRPSTACK.read_uplink(CHIRPSTACK_TOPIC, json.dumps(event).encode())


def test_other_topics_are_refused():
    with pytest.raises(ValueError, match="no topic of uplinks; check the application's name"):
        CHIRPSTACK.read_uplink("application/b2/device/70b3d57ed005b89a/event/up", b"{}")
    with pytest.raises(ValueError, match="end_device_ids is no JSON object"):
        THINGS_STACK.read_uplink(THINGS_STACK_TOPIC, b'{"uplink_message": {}}')


@pytest.mark.parametrize(
    ("gateways", "quality"),
    [
        (None, NO_QUALITY),
        ([], NO_QUALITY),
        ("roof", NO_QUALITY),
        ([3, {"snr": "loud"}], NO_QUALITY),
        ([{}, {"rssi": None}], NO_QUALITY),
        ([{"rssi": -80}, {"rssi": -70}], Quality(0, -70)),
        ([{"rssi": -70}, {"rssi": -120, "snr": -18}], Quality(0, -70)),
        ([{"snr": 7.5}, {"rssi": -120, "snr": -18}], Quality(7.5, 0)),
        ([{"rssi": -80, "snr": 1e300}], Quality(None, -80)),
    ],
)
def test_a_quality_that_cannot_be_is_none(gateways, quality):
    assert CHIRPSTACK.read_uplink(CHIRPSTACK_TOPIC, changed(rxInfo=gateways)).quality == quality
    infinite = changed().replace(b"-3.5", b"Infinity").replace(b"9.2", b"NaN")
    assert CHIRPSTACK.read_uplink(CHIRPSTACK_TOPIC, infinite).quality == Quality(None, -57)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "devAddr",
                    "fCnt",
                    "fPort",
                    "data",
                    "rxInfo",
                    "snr",
                    "uplink_message",
                    "end_device_ids",
                ]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@given(
    JSON.map(lambda content: json.dumps(content).encode()) | st.binary(max_size=80),
    st.text(max_size=20),
)
def test_any_message_is_read_or_refused(message, topic):
    for server, its_topic in ((CHIRPSTACK, CHIRPSTACK_TOPIC), (THINGS_STACK, THINGS_STACK_TOPIC)):
        for one in (its_topic, topic):
            with suppress(ValueError):
                server.read_uplink(one, message)


def test_a_server_is_had_by_name():
    assert get_server("chirpstack", "a1") == CHIRPSTACK
    with pytest.raises(
        ValueError, match='no network server "helium"; there are: chirpstack, things-stack'
    ):
        get_server("helium", "a1")
    with pytest.raises(
        ValueError, match="is no application of chirpstack: copy its id from the console"
    ):
        get_server("chirpstack", "a1/#")
