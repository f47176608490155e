#!/bin/sh
# Let the root partition and its file system fill the card; does nothing where they do. A power cut at any point is harmless:
# the table is one sector, and a mounted ext4 grows under its journal.
set -eu
partition=$(findmnt -no SOURCE /)
device=${partition#/dev/}
at=/sys/class/block/$device
disk=$(basename "$(readlink -f "$at/..")")
number=$(cat "$at/partition")
end=$(($(cat "$at/start") + $(cat "$at/size")))
[ $(($(cat "/sys/class/block/$disk/size") - end)) -gt 8192 ] || exit 0
echo ', +' | sfdisk --quiet --no-reread --no-tell-kernel -N "$number" "/dev/$disk"
partx --update --nr "$number" "/dev/$disk"
resize2fs "$partition"
