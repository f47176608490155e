"""Situations that people of this field report in public, each with the tests that put the product
into it.

A name here is a situation; its tests are where the code that they are about is tested. One that is
skipped shows nothing and counts as failing.
"""

from tests.studies.faults.pytest_run import failing

SITUATIONS = {
    "one frame that a camera does not give": [
        "tests/device/capture/test_capturing.py::test_an_image_that_fails_once_is_asked_for_again",
        "tests/device/capture/test_capturing.py::test_a_camera_that_hangs_stops_neither_what_is_sent_nor_does_it_feed_the_watchdog_for_ever",
    ],
    "a camera that is away for a while, and a host too": [
        "tests/device/capture/test_capturing.py::test_a_camera_that_fails_one_read_in_ten_and_a_host_that_is_away_for_ten_minutes_lose_no_image",
        "tests/device/capture/test_capturing.py::test_a_camera_that_is_away_is_told_to_the_host_and_so_is_its_return",
    ],
    "the first frames of a camera": [
        "tests/device/capture/test_image_source.py::test_a_camera_settles_after_every_opening",
    ],
    "a LoRaWAN network's answers take the room of a payload": [
        "tests/link/lorawan/node/test_carrier.py::test_a_payload_for_which_there_is_no_room_at_present_is_told_from_a_broken_port",
        "tests/device/test_lorawan_node.py::test_while_the_module_has_answers_to_send_first_every_image_goes_in_shorter_packets",
        "tests/link/node/test_sender.py::test_what_does_not_fit_is_sent_in_less_and_costs_no_airtime",
    ],
    "the UART of a Pi's pins, left to its console": [
        "tests/device/flash/test_card.py::test_of_the_uarts_of_a_pi_only_the_one_that_is_freed_is_taken",
        "tests/device/flash/test_card.py::test_a_console_on_the_links_port_goes_and_is_named",
        "tests/device/flash/test_firstboot.py::test_on_trixie_too_ours_is_not_what_an_old_imagers_firstrun_cuts_off",
    ],
    "a photo with a broken EXIF value": [
        "tests/link/picture/test_reader.py::test_a_broken_exif_value_costs_nothing_but_itself",
    ],
    "a host whose clock is not right yet": [
        "tests/host_decoder/receive/test_clock.py::test_before_its_clock_is_synchronised_a_host_tells_no_time_and_says_why_once",
        "tests/link/host/test_receiver.py::test_a_node_is_told_the_time_again_unasked_when_the_hosts_clock_was_set",
    ],
    "a RAK3172 with older firmware, or with its echo on": [
        "tests/link/carriers/test_rak3172.py::test_a_rak3172_of_before_rui3_tells_a_packet_in_two_lines",
        "tests/link/carriers/test_carrier.py::test_an_echo_is_passed_over",
    ],
    "a terminal without UTF-8": [
        "tests/link/output/test_terminal.py::test_a_command_speaks_in_ascii",
        "tests/host_decoder/live/test_run.py::test_terminals_of_few_signs_see_everything",
    ],
    "hidden folders among photos": [
        "tests/host_training/data/test_listing.py::test_what_is_hidden_or_beside_the_classes_is_no_picture",
    ],
    "a class that has most of the photos": [
        "tests/host_training/training/test_class_accuracy.py::test_a_model_that_only_names_the_commonest_class_is_seen_through",
        "tests/host_training/data/test_photo_remarks.py::test_every_class_is_counted_and_uneven_ones_are_named",
    ],
    "a download that breaks": [
        "tests/host_training/data/test_download.py::test_a_fault_that_stays_is_a_sentence_that_keeps_what_arrived",
        "tests/host_training/data/test_download.py::test_a_server_that_drips_is_given_up",
    ],
    "zeros that a network server leaves out": [
        "tests/link/lorawan/test_network_server.py::test_zeros_that_are_left_out_or_null_are_zeros",
    ],
    "a store that can only be read, or is damaged": [
        "tests/host_decoder/store/database/test_file.py::test_a_store_is_read_where_nothing_can_be_written",
        "tests/host_decoder/store/database/test_file.py::test_what_is_no_store_is_refused_by_what_it_is",
    ],
    "a port that two programs have open": [
        "tests/link/carriers/test_serial_port.py::test_bytes_that_another_program_takes_are_no_pulled_plug",
    ],
    "settings that an editor saved with a mark": [
        "tests/link/settings/test_toml_file.py::test_a_byte_order_mark_and_the_line_ends_of_windows_do_not_matter",
        "tests/link/settings/test_toml_file.py::test_another_encoding_of_unicode_is_named",
    ],
}


def measure() -> dict[str, int]:
    wrong = failing(SITUATIONS)
    for name in wrong:
        print(f"fails: {name}")
    return {"field_situations": len(SITUATIONS), "field_scripts_failing": len(wrong)}
