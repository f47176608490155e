"""MQTT: a broker as this project's programs use one."""

from link.carriers.mqtt.broker import BrokerSettings, Message, Will
from link.carriers.mqtt.connection import BrokerConnection, Sending
from link.carriers.mqtt.session import BrokerSession
