"""A gateway as a process of its own: what it hears goes through a broker to a fleet's workers."""

from link.gateway import topics
from link.gateway.config import BrokerConfig, check_name
from link.gateway.port import LINK, read_port
