from tests.studies.faults import pictures


def test_of_a_damaged_picture_comes_an_image_or_a_sentence(capfd):
    assert pictures.measure(600) == {"mutated_images": 600, "mutated_images_tracebacks": 0}, (
        capfd.readouterr().err
    )
