"""[fleet] of host.toml."""

import pytest

from host_decoder.config import read_config
from host_decoder.errors import ConfigError
from tests.worlds.small_host import KEY

SERVER = 'store = "postgresql://latentlink@db/latentlink"\n'
FLEET = '[fleet]\nhost = "broker"\ngateways = ["roof"]\nprofile = "lora-sf7"\n'


def write(folder, bundle, text: str):
    (folder / "node.key").write_text(KEY.hex())
    (folder / "host.toml").write_text(
        f'{text}[[node]]\nnode = 7\nkey = "node.key"\nbundle = "{bundle.path}"\n'
    )
    return folder


def test_a_fleets_host_names_its_broker_and_its_gateways(tmp_path, bundle):
    fleet = read_config(write(tmp_path, bundle, SERVER + FLEET)).fleet
    assert fleet is not None
    assert (fleet.host, fleet.gateways, fleet.profile) == ("broker", ("roof",), "lora-sf7")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (SERVER + FLEET + '[link]\nport = "/dev/x"\n', "has a [link] and a [fleet]"),
        (FLEET, "let store be a PostgreSQL server"),
        (SERVER + FLEET.replace('"roof"', '"a/b"'), "gateways is 'a/b'; write 1 to 40"),
        (SERVER + FLEET.replace('"roof"', ""), "gateways is empty"),
        (SERVER + FLEET.replace("lora-sf7", "lora-sf77"), "lora-sf77"),
        (SERVER, 'key "link" is missing'),
    ],
)
def test_what_cannot_be_is_a_sentence(tmp_path, bundle, text, sentence):
    with pytest.raises(ConfigError) as error:
        read_config(write(tmp_path, bundle, text))
    assert sentence in str(error.value)
