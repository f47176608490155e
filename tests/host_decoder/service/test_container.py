"""Containerfile, compose file and the broker's settings say what their readers take."""

import json
import re
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.programs import program
from tests.worlds.broker import free_port

ROOT = Path(__file__).parents[3]
HERE = ROOT / "host_decoder/service"
INSTRUCTIONS = {
    *("ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "ENTRYPOINT", "CMD"),
}
"Those of a Containerfile that ours needs."
SERVICE_KEYS = {
    *("build", "image", "profiles", "user", "group_add", "devices", "volumes", "ports", "restart"),
    *("stop_grace_period", "init", "read_only", "tmpfs", "cap_drop", "security_opt"),
}
"Those of the Compose Specification that ours needs."
RULES = "{extends: default, rules: {line-length: {max: 130}, document-start: disable, " + (
    "comments: {min-spaces-from-content: 1}}}"
)
PATIENCE_S = 20.0


def instructions() -> list[tuple[str, str]]:
    text = (HERE / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_a_containerfile_has_instructions_that_there_are_and_copies_what_is_there():
    said = instructions()
    assert {word for word, _ in said} <= INSTRUCTIONS
    assert said[0][0] == "ARG"
    for word, rest in said:
        if word == "COPY" and not rest.startswith("--from"):
            assert all((ROOT / name).exists() for name in rest.split()[:-1]), rest
        if word in ("ENTRYPOINT", "CMD"):
            assert all(isinstance(one, str) for one in json.loads(rest))
        if word == "FROM":
            assert rest.split()[0] == "${BASE}"
    stages = [rest.split()[2] for word, rest in said if word == "FROM" and " AS " in rest]
    assert re.findall(r"--from=(\w+)", str(said)) == stages
    users = [rest for word, rest in said if word == "USER"]
    assert users
    assert not users[-1].startswith(("0", "root"))


def test_it_takes_every_package_along_and_nothing_else_is_sent_to_the_builder():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    ours = {name.rstrip("*") for name in packages["packages"]["find"]["include"]}
    copied = {
        name
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for name in rest.split()[:-1]
    }
    assert ours <= copied
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored.index("*") < min(ignored.index(f"!{name}") for name in copied)
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


def test_the_compose_file_is_yaml_without_a_fault():
    lint = [program("yamllint"), "--strict", "-d", RULES, str(HERE / "compose.yaml")]
    done = subprocess.run(lint, capture_output=True, text=True)
    assert done.stdout == ""
    assert done.returncode == 0


def test_the_compose_file_says_what_compose_knows():
    interpreter = Path(program("yamllint")).read_text().splitlines()[0].removeprefix("#!")
    reads = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
    command = [interpreter, "-c", reads, str(HERE / "compose.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    compose = json.loads(done.stdout)
    assert compose.keys() == {"name", "services"}
    host, broker = compose["services"]["host"], compose["services"]["broker"]
    for service in (host, broker):
        assert service.keys() <= SERVICE_KEYS
        assert service["restart"] == "always"
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service["user"].startswith("0")
    context = (HERE / host["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / host["build"]["dockerfile"]).is_file()
    assert host["volumes"][0].endswith(":/host")
    assert ("CMD", '["/host"]') in instructions()
    assert broker["profiles"] == ["broker"]
    assert (HERE / broker["volumes"][0].partition(":")[0]).is_file()
    assert all(port.startswith("127.0.0.1:") for port in broker["ports"])


def test_the_broker_takes_its_settings_and_nobody_without_an_account(tmp_path):
    text = (HERE / "mosquitto.conf").read_text()
    assert "listener 1883\n" in text
    port = free_port()
    text = text.replace("listener 1883", f"listener {port} 127.0.0.1").replace(
        "/mosquitto/data", str(tmp_path)
    )
    (tmp_path / "mosquitto.conf").write_text(f"{text}user root\n")
    make = [program("mosquitto_passwd"), "-c", "-b", str(tmp_path / "passwords"), "host", "word"]
    subprocess.run(make, check=True)
    command = [program("mosquitto"), "-c", str(tmp_path / "mosquitto.conf")]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as broker:
        try:
            assert answer(port, "host", "word") == "Success"
            assert answer(port, "host", "another") == "Not authorized"
            assert answer(port) == "Not authorized"
        finally:
            broker.terminate()


def answer(port: int, user: str | None = None, password: str | None = None) -> str:
    """What the broker says to whoever connects so."""
    said: list[str] = []
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, data, flags, reason, properties: said.append(str(reason))
    if user is not None:
        client.username_pw_set(user, password)
    deadline_s = time.monotonic() + PATIENCE_S
    while not said and time.monotonic() < deadline_s:
        try:
            client.connect("127.0.0.1", port)
        except OSError:  # it has not opened its port yet
            time.sleep(0.05)
            continue
        client.loop(1.0)
    client.disconnect()
    if not said:
        pytest.fail("the broker says nothing")
    return said[0]
