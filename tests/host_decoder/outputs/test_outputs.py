"""All outputs of a host, fed by its listener, as one process runs them."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from host_decoder.alerts.rule import read_rule
from host_decoder.config import HostConfig
from host_decoder.errors import ConfigError, HostError
from host_decoder.events import Notice
from host_decoder.outputs import outputs as module
from host_decoder.outputs.config import OutputsConfig
from host_decoder.outputs.outputs import Outputs
from host_decoder.outputs.sections import PrometheusConfig, WebhookConfig
from tests.worlds.broker import broker, free_port
from tests.worlds.heard import heard, told
from tests.worlds.home_assistant import HomeAssistant
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode, right_label
from tests.worlds.web_server import web_server

PATIENCE_S = 30.0


@pytest.fixture
def config(tmp_path, node_entry):
    def config(**outputs):
        return HostConfig(
            (),
            tmp_path / "host.sqlite",
            (node_entry,),
            site="farm",
            outputs=OutputsConfig(**outputs),
        )

    return config


def wait_for(is_so):
    end_s = time.monotonic() + PATIENCE_S
    while not (found := is_so()):
        assert time.monotonic() < end_s
        time.sleep(0.01)
    return found


def test_without_a_section_nothing_runs(config):
    with Outputs(config()) as outputs:
        assert not outputs.is_needed
        assert not outputs._thread.is_alive()


def test_an_alert_reaches_a_person_and_a_webhook_that_was_away_across_a_restart(config):
    rules = (read_rule({"kind": "fault"}),)
    away = WebhookConfig(f"http://127.0.0.1:{free_port()}/")
    with Outputs(config(alerts=rules, webhook=away)) as outputs:
        outputs.look(told(time.time(), fault="no camera"))
        notice = wait_for(outputs.notices)[0]
        wait_for(lambda: any("cannot be reached" in one.sentence for one in outputs.notices()))
    assert notice == Notice(f"node {NODE} captures nothing: no camera", is_problem=True)
    with web_server() as server:
        there = WebhookConfig(server.url)
        with Outputs(config(alerts=rules, webhook=there)) as outputs:
            wait_for(lambda: server.posts)
            outputs.look(told(time.time()))
            wait_for(lambda: len(server.posts) == 2)
            wait_for(lambda: not outputs._watch.owed["webhook"])
        with Outputs(config(alerts=rules, webhook=there)) as outputs:
            outputs.look(told(time.time()))
            time.sleep(0.5)
    said = [json.loads(body) for _, body in server.posts]
    assert [one["state"] for one in said] == ["raised", "cleared"]
    assert {one["site"] for one in said} == {"farm"}


def test_a_full_queue_drops_and_never_waits(config, monkeypatch):
    monkeypatch.setattr(module, "MAX_EVENTS", 10)
    outputs = Outputs(config(prometheus=PrometheusConfig("127.0.0.1:0")))
    for _ in range(100):
        outputs.look(heard(1000.0))
    assert outputs._n_dropped == 90


def test_an_address_that_is_taken_is_told_before_anything_begins(config):
    with web_server() as server:
        address = server.url.split("/")[2]
        with pytest.raises(ConfigError, match=f"cannot listen at {address} .*: another program"):
            Outputs(config(prometheus=PrometheusConfig(address)))


def test_a_library_that_is_missing_is_named(config, monkeypatch):
    monkeypatch.setitem(sys.modules, "host_decoder.outputs.prometheus", None)
    with pytest.raises(ConfigError, match=r"wants its library: pip install .*fleet"):
        Outputs(config(prometheus=PrometheusConfig()))


@contextmanager
def a_host(folder, bundle, port: int, sections: str):
    """A host that hears UDP, in a process of its own."""
    (folder / "node.key").write_text(KEY.hex())
    (folder / "host.toml").write_text(
        f'site = "farm"\n[link]\nprofile = "udp"\nport = "127.0.0.1:{port}"\n'
        f'[[node]]\nnode = {NODE}\nkey = "node.key"\nbundle = "{bundle.path}"\n{sections}'
    )
    command = [sys.executable, "-m", "host_decoder", "listen", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def test_from_a_packet_to_home_assistant_prometheus_and_the_last_word(tmp_path, bundle):
    udp_port, metrics_port = free_port(), free_port()
    (tmp_path / "mq").mkdir()
    with broker(tmp_path / "mq") as mosquitto:
        home = HomeAssistant(mosquitto.port)
        sections = (
            f'[mqtt]\nhost = "127.0.0.1"\nport = {mosquitto.port}\n'
            f'[prometheus]\nlisten = "127.0.0.1:{metrics_port}"\n[[alert]]\nkind = "silent"\n'
        )
        with a_host(tmp_path, bundle, udp_port, sections) as process:
            home.wait_for(lambda: home.state("homeassistant/device/ll_farm_7/config"))
            symbols = random_symbols(bundle.tables, 0)
            packets = SmallNode(bundle).packets(symbols)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as node:

                def heard_at_last():
                    for packet in packets:  # until its port is open
                        node.sendto(packet, ("127.0.0.1", udp_port))
                    return home.state("latentlink/1/farm/7/result")

                result = home.wait_for(heard_at_last)
            assert result["label"] == right_label(symbols)

            def is_told() -> bool:
                state = home.state("latentlink/1/farm/7/state")
                return state is not None and state["image"] == result["image"]

            home.wait_for(is_told)
            home.wait_for(lambda: home.last("latentlink/1/farm/7/availability") == b"online")
            connection = http.client.HTTPConnection("127.0.0.1", metrics_port, timeout=PATIENCE_S)
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            assert 'latentlink_results_total{site="farm",task="label"} 1.0' in text
            (tmp_path / "nodes").mkdir()
            (tmp_path / "nodes/9.toml").write_text(
                f'node = 9\nkey = "node.key"\nbundle = "{bundle.path}"\n'
            )
            packets = SmallNode(bundle, node=9).packets(symbols)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as node:

                def newcomer_is_told():
                    for packet in packets:  # until it is known
                        node.sendto(packet, ("127.0.0.1", udp_port))
                    return home.state("homeassistant/device/ll_farm_9/config")

                home.wait_for(newcomer_is_told)
            assert home.wait_for(lambda: home.state("latentlink/1/farm/9/state"))["node"] == 9
            begun_s = time.monotonic()
            process.send_signal(signal.SIGTERM)
            out, said = process.communicate(timeout=PATIENCE_S)
            assert time.monotonic() - begun_s < 5
            assert "results go to the broker" in said
            assert json.loads(out.splitlines()[0])["event"] == "answer"
            home.wait_for(
                lambda: home.last("latentlink/1/host/latentlink-farm/status") == b"offline"
            )
        home.close()
    assert os.path.exists(tmp_path / "alerts.json")


def test_a_person_mutes_a_node_and_a_clock_that_is_set_clears_nothing(config, monkeypatch):
    rule = read_rule({"kind": "fault"})
    with Outputs(config(alerts=(rule,))) as outputs:
        outputs.mute(NODE, time.time() + 3600)
        outputs.look(told(fault="no camera"))
        outputs.mute(NODE, time.time() + 1800)  # taken behind it
        assert outputs.notices() == []
        wall = time.time
        monkeypatch.setattr(module.time, "time", lambda: wall() + 1e6)
        outputs.mute(NODE, 0.0)
        wait_for(lambda: outputs._watch.raised)
        assert (outputs._observation.presence.heard_s(NODE) or 0) > 1e6
    with Outputs(config()) as outputs, pytest.raises(HostError, match=r"has no \[\[alert\]\]"):
        outputs.mute(NODE, 0.0)
