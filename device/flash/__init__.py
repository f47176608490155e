"""Flash a node: build its image, prepare its card, boot it in an emulator. Runs on the host; a node does without it.

release.py      what runs on a node: our two packages and the aarch64 wheels, one folder named by its content
rootfs.py       Debian's packages, unpacked and made to start, with no foreign code run
initrd.py       the few modules that find the root partition
image.py        both partitions put into one file, the same bytes each time
boot.py         that file started in QEMU, its serial port joined to a line of ours
card.py         a card, an image file or a boot folder given a node's key, settings, bundle and release
    deploy.py       a release or a bundle for a node that runs, over SSH
"""
