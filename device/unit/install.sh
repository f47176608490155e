#!/bin/sh
# Take over what the boot partition holds: release, bundle, node.toml, key. Started at each boot; it does its work once per
# seed, and a power cut at any point only means that the next boot does it again: whatever replaces something is complete
# and on the disk before it takes its place. Debian's dash and coreutils are all it needs.
set -eu
root=${LATENTLINK_ROOT-}      # a test installs into a folder
seed=$root/boot/firmware/latentlink
opt=$root/opt/latentlink
state=$root/var/lib/latentlink

say() { echo "latentlink-install: $*"; }
fail() { say "$*" >&2; exit 1; }
place() {                     # place NEW OLD: NEW takes the place of OLD
    sync
    if [ -d "$2" ]; then rm -rf "$2.old"; mv -T "$2" "$2.old"; fi
    mv -T "$1" "$2"
    rm -rf "$2.old"
}
point() {                     # point LINK TARGET, in one step
    ln -sfn "$2" "$1.part"
    mv -T "$1.part" "$1"
}

# The power failed while a release was being proved (update.sh): the one before it goes on.
before=$(cat "$opt/current.undo" 2>/dev/null || true)
if [ -n "$before" ] && [ -d "$opt/$before" ]; then
    say "release $(readlink "$opt/current") was not proved, so $before goes on"
    point "$opt/current" "$before"
    if [ -z "$root" ]; then
        cp "$opt"/current/device/unit/latentlink*.service /etc/systemd/system/
        systemctl daemon-reload
    fi
    sync
fi
rm -f "$opt/current.undo"

[ -f "$seed/SHA256SUMS" ] || { say "the boot partition is not mounted or holds nothing to install"; exit 0; }
id=$(sha256sum <"$seed/SHA256SUMS" | cut -c1-16)
if [ "$id" = "$(cat "$state/installed" 2>/dev/null || true)" ] && [ ! -f "$seed/node.key" ]; then exit 0; fi
(cd "$seed" && sha256sum --check --quiet SHA256SUMS) || fail "the boot partition is damaged; flash the card again"
say "installing seed $id"
mkdir -p "$opt/releases" "$opt/bundles" "$state" "$root/etc/latentlink"

if [ -f "$seed/release.tar.gz" ]; then
    release=$(cat "$seed/release.id")
    python=$(cat "$seed/release.python")
    here=$(python3 -c 'import platform; print("%s.%s on %s" % (*platform.python_version_tuple()[:2], platform.machine()))')
    [ -n "$root" ] || [ "$here" = "$python on aarch64" ] ||
        fail "the release is for Python $python on aarch64, this is Python $here; flash the card with a 64-bit system again"
    if [ ! -d "$opt/releases/$release" ]; then
        rm -rf "$opt/releases/part"
        mkdir "$opt/releases/part"
        tar -xzf "$seed/release.tar.gz" -C "$opt/releases/part" || fail "the release does not fit on the card"
        place "$opt/releases/part" "$opt/releases/$release"
    fi
    point "$opt/current" "releases/$release"
fi
[ -d "$opt/current/device" ] || fail "there is no release on this node; flash the card again with one"

bundle=$(cat "$seed/bundle.id")
rm -rf "$opt/bundles/part"
cp -r "$seed/bundle" "$opt/bundles/part"
place "$opt/bundles/part" "$opt/bundles/$bundle"
before=$(readlink "$opt/bundle" || true)
if [ -n "$before" ] && [ "$before" != "bundles/$bundle" ]; then
    point "$opt/bundle.previous" "$before"  # the node goes back to it when the new one fails (device/encoder/trial.py)
fi
rm -f "$state/bundle.json"
point "$opt/bundle" "bundles/$bundle"
cp "$seed/bundle-signing.pub" "$root/etc/latentlink/bundle-signing.pub.part"
chmod 644 "$root/etc/latentlink/bundle-signing.pub.part"
place "$root/etc/latentlink/bundle-signing.pub.part" "$root/etc/latentlink/bundle-signing.pub"

if [ -d "$seed/source" ]; then
    rm -rf "$opt/source.part"
    cp -r "$seed/source" "$opt/source.part"
    place "$opt/source.part" "$opt/source"
fi

# The key that was flashed brings its own counter; the key that is there goes on where it is. One that is no key was
# overwritten below when the power failed.
if grep -Eqx '[0-9a-f]{32}' "$seed/node.key" 2>/dev/null && ! cmp -s "$seed/node.key" "$state/keys/node.key"; then
    rm -rf "$state/keys.part"
    mkdir -m 700 "$state/keys.part"
    cp "$seed/node.key" "$seed/counter.json" "$state/keys.part/"
    [ ! -f "$seed/app.key" ] || cp "$seed/app.key" "$state/keys.part/"
    chmod 600 "$state"/keys.part/*.key
    place "$state/keys.part" "$state/keys"
fi
if [ -f "$seed/placement.json" ]; then # of a team's member
    cp "$seed/placement.json" "$root/etc/latentlink/placement.json.part"
    chmod 644 "$root/etc/latentlink/placement.json.part"
    place "$root/etc/latentlink/placement.json.part" "$root/etc/latentlink/placement.json"
fi
cp "$seed/node.toml" "$root/etc/latentlink/node.toml.part"
chmod 644 "$root/etc/latentlink/node.toml.part"
place "$root/etc/latentlink/node.toml.part" "$root/etc/latentlink/node.toml"
if [ -f "$seed/authorized_keys" ] && [ -f "$seed/image.json" ]; then
    mkdir -p -m 700 "$root/root/.ssh"
    cp "$seed/authorized_keys" "$root/root/.ssh/authorized_keys"
fi
drop_ins=$root/etc/systemd/system/latentlink.service.d # a carrier over IP needs what the unit forbids
rm -f "$drop_ins/network.conf"
[ ! -f "$seed/network.conf" ] || { mkdir -p "$drop_ins" && cp "$seed/network.conf" "$drop_ins/"; }
[ ! -f "$seed/hostname" ] || cp "$seed/hostname" "$root/etc/hostname"

if [ -z "$root" ]; then
    units=$opt/current/device/unit
    cp "$units/sysusers.conf" /usr/lib/sysusers.d/latentlink.conf
    systemd-sysusers /usr/lib/sysusers.d/latentlink.conf
    chown -R latentlink: "$state"
    if [ ! -f "$seed/image.json" ]; then
        cp "$units/latentlink.service" "$units/latentlink-install.service" "$units/latentlink-compile.service" \
            /etc/systemd/system/
        systemctl disable --now hciuart.service 2>/dev/null || true # Bluetooth, on the UART of the link
        systemctl enable latentlink.service latentlink-compile.service
    fi
    systemctl daemon-reload
fi

# Secrets leave the boot partition once the node has them. A flash card may keep old blocks: this is what software can do.
sync
for secret in "$seed/app.key" "$seed/node.key"; do
    [ -f "$secret" ] || continue
    [ -n "$root" ] || mount -o remount,rw /boot/firmware 2>/dev/null || true
    if dd if=/dev/zero of="$secret" bs=64 count=1 conv=notrunc,fsync 2>/dev/null && rm -f "$secret"; then
        [ -n "$root" ] || mount -o remount,ro /boot/firmware 2>/dev/null || true
    else
        say "the boot partition cannot be written, so the node's key stays readable on it: keep the card safe"
    fi
done
echo "$id" >"$state/installed.part"
sync
mv "$state/installed.part" "$state/installed"
say "installed: release $(readlink "$opt/current"), bundle $bundle"
[ -n "$root" ] || systemctl --no-block restart latentlink.service latentlink-compile.service
