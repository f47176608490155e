from link.checkup.finding import Finding, prevents


def test_a_hint_prevents_nothing():
    hint, fault = Finding("worth knowing", is_hint=True), Finding("in the way")
    assert not prevents([hint])
    assert prevents([hint, fault])
