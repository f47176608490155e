"""Where a broker is."""

from link.carriers.mqtt.broker import BrokerSettings


def test_a_port_is_usual_for_tls_and_without_and_a_password_is_not_shown():
    plain = BrokerSettings(host="broker", client_id="a", password="secret")
    assert plain.address == "broker:1883"
    assert BrokerSettings(host="broker", client_id="a", has_tls=True).broker_port == 8883
    assert BrokerSettings(host="broker", client_id="a", port=7).broker_port == 7
    assert "secret" not in repr(plain)
