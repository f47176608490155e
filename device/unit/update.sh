#!/bin/sh
# update.sh release|bundle ID SHA256 [ROOT SYSTEMCTL PYTHON]: take over the tar.gz on standard input, a release or a bundle.
# It is unpacked beside what runs, tries itself there, takes its place in one step and gives it back when the service does
# not become ready. Sent by `python -m device.flash deploy`; The last three are for tests.
set -eu
kind=$1 id=$2 sha256=$3 root=${4-} systemctl=${5-systemctl} python=${6-python3}
opt=$root/opt/latentlink
patience_s=120
case $kind in
    release) folder=$opt/releases link=$opt/current ;;
    bundle) folder=$opt/bundles link=$opt/bundle ;;
    *) echo "update.sh: $kind is neither release nor bundle" >&2; exit 2 ;;
esac
fail() { echo "latentlink-update: $*" >&2; exit 1; }
refuse() {
    [ "$id" = "${before##*/}" ] || rm -rf "${folder:?}/$id"
    fail "$@"
}
point() {
    ln -sfn "$1" "$link.part"
    mv -T "$link.part" "$link"
    sync
}
start() { # with the unit files of the release that is now current
    if [ -z "$root" ]; then
        cp "$opt"/current/device/unit/latentlink*.service /etc/systemd/system/
        $systemctl daemon-reload
    fi
    # `restart` alone would wait for ever for a service that systemd starts again and again.
    $systemctl stop latentlink.service
    $systemctl start --no-block latentlink.service
    seconds=0
    until $systemctl is-active --quiet latentlink.service; do
        seconds=$((seconds + 1))
        [ $seconds -le $patience_s ] && [ "$($systemctl show -P NRestarts latentlink.service)" = 0 ] || return 1
        sleep 1
    done
    [ -n "$root" ] || sleep 2 # one that fails at its first image fails now
    $systemctl is-active --quiet latentlink.service
}
try() { # TRY RELEASE BUNDLE
    PYTHONPATH=$1:$1/lib $python -P -m device.unit.selftest "$root/etc/latentlink/node.toml" "$2"
}

mkdir -p "$folder"
part=$folder/part
trap 'rm -rf "$part" "$part.tar.gz"' EXIT
rm -rf "$part" "$part.tar.gz"
if [ ! -d "$folder/$id" ]; then
    cat >"$part.tar.gz" || fail "the card is full: $(df -h "$opt" | tail -n 1)"
    [ "$(sha256sum <"$part.tar.gz" | cut -d' ' -f1)" = "$sha256" ] || fail "it arrived damaged or not whole; deploy again"
    mkdir "$part"
    tar -xzf "$part.tar.gz" -C "$part" || fail "it does not fit on the card"
    rm "$part.tar.gz"
    sync
    mv -T "$part" "$folder/$id"
fi
before=$(readlink "$link" || true)
case $kind in
    release) try "$folder/$id" "$opt/bundle" ;;
    bundle) try "$opt/current" "$folder/$id" ;;
esac || refuse "$kind $id does not work on this node, so ${before##*/} goes on"
point "${folder##*/}/$id"
if ! start; then
    [ -n "$before" ] || fail "$kind $id does not start, and there is none before it"
    point "$before"
    start || fail "neither $kind $id nor ${before##*/} starts; see: journalctl -u latentlink"
    refuse "$kind $id does not start; ${before##*/} runs again"
fi
for old in "$folder"/*; do
    [ "$old" = "$folder/$id" ] || [ "${old##*/}" = "${before##*/}" ] || rm -rf "$old"
done
[ "$kind" = bundle ] || $systemctl --no-block start latentlink-compile.service
echo "$kind $id runs (before: ${before##*/})"
