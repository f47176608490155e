"""Flash a node: build its image, prepare its card, boot it in an emulator. Runs on the host; a node
does without it.

release.py      what runs on a node: our two packages and the aarch64 wheels, one folder named by
                its content
rootfs.py       Debian's packages, unpacked and made to start, with no foreign code run
initrd.py       the few modules that find the root partition
image.py        both partitions put into one file, the same bytes each time
boot.py         that file started in QEMU, its serial port joined to a line of ours
card.py         a card, an image file or a boot folder given a node's key, settings, bundle and
                release:
    settings.py     node.toml checked and made the node's; ports.py, which port it may have
    firstboot.py    how the card's system is told to run our installer; user_data.py, personal.py:
                    what else
    target.py       what is written, and what is never touched; partitions.py, files on it without a
                    mount
    registry.py     the host folder learns of the node; host_link.py, whether the host hears it
deploy.py       a release or a bundle for a node that runs, over SSH; signing.py, a bundle as a node
                takes it
"""
