"""Page: a fleet's page without any key: it reads the database, and is told by it what is new. As
many of these as are wanted, anywhere; each may end at any moment.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

from host_decoder.config import HOST, STORE
from host_decoder.errors import ConfigError
from host_decoder.fleet.news import ANSWER
from host_decoder.fleet.told import Told
from host_decoder.store.database.file import StoreError
from host_decoder.store.database.opening import open_database
from host_decoder.store.database.settings import is_server
from host_decoder.store.followed import Follower
from host_decoder.web.config import WebConfig, read_web
from host_decoder.web.door import NAME
from host_decoder.web.feed import GAP, Page, result_line
from link.settings import host_folder, setting

LOOK_S = 0.5
RETRY_S = 2.0


def show(path: Path, should_stop: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Until that says so; ConfigError or PageError for what cannot be. host.toml's keys of nodes
    are not read.
    """
    path = host_folder.host_toml(path)
    table = host_folder.read_host_toml(path, ConfigError, {})
    try:
        setting.read_section(table, HOST)
        web = read_web(table["web"], path.parent) if "web" in table else WebConfig()
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    dsn = str(table.get("store", STORE))
    if not is_server(dsn):
        raise ConfigError(
            f"{path}: a page of its own reads a PostgreSQL server; of a store in a file say "
            "`latentlink host --web`"
        )
    folder = path.parent / str(table.get("bundles", "bundles"))
    bundles = sorted(one.parent for one in folder.glob("*/manifest.json"))
    told = Told()
    page = Page(
        web, dsn, [], bundles, path.parent / NAME, "", say, mute=told.mute, order=told.order
    )
    say(f"the page is at {page.url}")
    said = ""
    while not should_stop():
        try:
            database = open_database(dsn, must_exist=True)
        except StoreError as error:
            if not error.is_passing:
                raise
            if str(error) != said:
                said = str(error)
                say(f"{error}; nothing is shown until then")
            time.sleep(RETRY_S)
            continue
        told.database = database
        with page.running(database), Follower(dsn) as follower:
            while not should_stop():
                for word in told.news():
                    page.put(word)
                for line in follower.lines(LOOK_S):
                    event = GAP if line is None else json.loads(line)
                    if event["event"] == ANSWER:
                        page.put(result_line(event, event["site"]))
                    elif event is GAP:
                        page.put(GAP)
        database.close()
