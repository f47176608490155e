"""Keys that had another name are read for this version, each with one sentence."""

from link.settings.renamed import rename_keys


def renamed(section, content):
    notices: dict[str, str] = {}
    rename_keys(section, content, "host.toml", notices)
    return content, list(notices)


def test_old_names_become_the_new_ones_and_are_told_once():
    nodes = [{"id": 1}, {"id": 2, "key": "k"}]
    assert renamed("node", nodes) == ([{"node": 1}, {"key": "k", "node": 2}], ["id"])


def test_a_name_that_said_the_contrary_has_the_contrary_value():
    assert renamed("node", {"one_way": True}) == ({"downlink": False}, ["one_way"])
    assert renamed("link", {"feedback": True}) == ({"downlink": True}, ["feedback"])


def test_with_both_names_the_old_one_stays_to_be_refused():
    assert renamed("link", {"feedback": True, "downlink": 2}) == (
        {"feedback": True, "downlink": 2},
        [],
    )


def test_an_old_name_with_a_value_that_cannot_be_is_refused_as_it_was_written():
    assert renamed("link", {"feedback": "no"}) == ({"feedback": "no"}, [])
    assert renamed("node", {"id": "7", "one_way": 0}) == ({"id": "7", "one_way": 0}, [])


def test_the_sentence_on_a_name_that_said_the_contrary_says_so():
    notices: dict[str, str] = {}
    rename_keys("node", [{"one_way": False}, {"one_way": True}], "host.toml", notices)
    assert notices["one_way"].startswith(
        "host.toml: one_way is now called downlink, and says the contrary; write downlink = true"
    )


def test_what_is_no_section_is_left_to_whoever_checks_it():
    assert renamed("link", 3) == (3, [])
    assert renamed("node", [None, "id"]) == ([None, "id"], [])
