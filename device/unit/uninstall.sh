#!/bin/sh
# Take the node out of a computer that goes on as another: its service, programs, bundles, settings, keys, and what waits
# to be sent.   sudo sh /opt/latentlink/current/device/unit/uninstall.sh
# The host is told by `latentlink host retire N`. Host name, account, Wi-Fi and the UART's lines in config.txt stay.
set -eu
root=${LATENTLINK_ROOT-}      # a test uninstalls from a folder

uninstall() {                 # read as a whole before it begins: the script removes itself
    seed=$root/boot/firmware/latentlink
    if [ -z "$root" ]; then
        for unit in latentlink latentlink-install latentlink-compile latentlink-grow; do
            systemctl disable --now "$unit.service" 2>/dev/null || true
        done
        mount -o remount,rw /boot/firmware 2>/dev/null || true
    fi
    for key in "$root"/var/lib/latentlink/keys/*.key "$seed"/*.key; do
        [ ! -f "$key" ] || dd if=/dev/zero of="$key" bs=64 count=1 conv=notrunc,fsync 2>/dev/null
    done
    rm -rf "$seed" "$root/opt/latentlink" "$root/etc/latentlink" "$root/var/lib/latentlink" \
        "$root"/etc/systemd/system/latentlink*.service "$root/etc/systemd/system/latentlink.service.d" \
        "$root"/etc/systemd/system/*.wants/latentlink*.service "$root/usr/lib/sysusers.d/latentlink.conf"
    if [ -z "$root" ]; then
        systemctl daemon-reload
        userdel latentlink 2>/dev/null || true
    fi
    sync
    echo "latentlink-uninstall: nothing of the node is left but what its card's old blocks may hold"
}
uninstall
exit 0
