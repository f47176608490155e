#!/bin/sh
# update.sh release|bundle|stage|switch ID SHA256 [ROOT SYSTEMCTL PYTHON]: take over the tar.gz on standard input, a release
# or a bundle; of a team's member in two steps, since none switches before all have tried theirs: stage, then switch.
# It is unpacked beside what runs, tries itself there and takes its place in one step. A release is taken back when the
# service does not become ready; a power cut meanwhile takes it back at the next boot (install.sh). A bundle is on trial:
# the node itself goes back to the one before it (device/encoder/trial.py), and here the verdict is awaited and cleaned up after.
# Sent by `python -m device.flash deploy`. The last three are for tests.
set -eu
kind=$1 id=$2 sha256=$3 root=${4-} systemctl=${5-systemctl} python=${6-python3}
opt=$root/opt/latentlink
settings=$root/etc/latentlink/node.toml
good=$root/var/lib/latentlink/node.toml.good
patience_s=120
step=$kind
case $kind in
    release) folder=$opt/releases link=$opt/current ;;
    bundle | stage | switch) folder=$opt/bundles link=$opt/bundle kind=bundle ;;
    *) echo "update.sh: $kind is neither release nor bundle" >&2; exit 2 ;;
esac
fail() { echo "latentlink-update: $*" >&2; exit 1; }
refuse() {
    [ "$id" = "${before##*/}" ] || rm -rf "${folder:?}/$id"
    fail "$@"
}
point() { # point TARGET [LINK], in one step
    ln -sfn "$1" "${2-$link}.part"
    mv -T "${2-$link}.part" "${2-$link}"
    sync
}
restart() { # with the unit files of the release that is now current
    if [ -z "$root" ]; then
        cp "$opt"/current/device/unit/latentlink*.service /etc/systemd/system/
        $systemctl daemon-reload
    fi
    # `restart` alone would wait for ever for a service that systemd starts again and again.
    $systemctl stop latentlink.service
    $systemctl start --no-block latentlink.service
}
start() {
    restart
    seconds=0
    until $systemctl is-active --quiet latentlink.service; do
        seconds=$((seconds + 1))
        [ $seconds -le $patience_s ] && [ "$($systemctl show -P NRestarts latentlink.service)" = 0 ] || return 1
        sleep 1
    done
    [ -n "$root" ] || sleep 2 # one that fails at its first image fails now
    $systemctl is-active --quiet latentlink.service
}
can_use() {
    PYTHONPATH=$opt/current:$opt/current/lib $python -P -c \
        'import sys; from device.config import load_config; load_config(sys.argv[1])' "$1" 2>/dev/null
}
try() { # TRY RELEASE BUNDLE
    PYTHONPATH=$1:$1/lib $python -P -m device.unit.selftest "$settings" "$2"
}
trial() { # the name of the bundle in use, how the installed one does, and why
    PYTHONPATH=$opt/current:$opt/current/lib $python -P -m device.encoder.trial "$settings"
}
keep_only() {
    for old in "$folder"/*; do
        [ "${old##*/}" = "$1" ] || [ "${old##*/}" = "$2" ] || rm -rf "$old"
    done
}
settle() { # the bundle in use is the installed one, and the only one
    point "$before"
    rm -f "$link.previous" "$state"
    keep_only "${before##*/}" ""
}
await_verdict() {
    seconds=0
    while [ $seconds -lt $patience_s ]; do
        verdict=$(trial) || fail "the node cannot say how bundle $id does; see: journalctl -u latentlink"
        case ${verdict#* } in
            passed*) keep_only "$id" "${before##*/}"; echo "bundle $id runs (before: ${before##*/})"; return ;;
            failed*) settle; fail "bundle $id failed its trial, so ${before##*/} goes on: ${verdict#* failed }" ;;
        esac
        seconds=$((seconds + 1))
        sleep 1
    done
    echo "bundle $id is on trial and has not encoded enough images in $patience_s s; if it fails, the node goes back by itself"
}

# A node in safe mode runs with the settings that worked last, and is deployed to with them.
safe_mode=
if [ -f "$good" ] && ! can_use "$settings" && can_use "$good"; then
    settings=$good
    safe_mode="; node.toml there cannot be used, so the node is in safe mode: put it right"
fi
mkdir -p "$folder"
part=$folder/part
trap 'rm -rf "$part" "$part.tar.gz"' EXIT
rm -rf "$part" "$part.tar.gz"
before=$(readlink "$link" || true)
if [ "$kind" = bundle ] && [ -n "$before" ]; then
    state=$root/var/lib/latentlink/bundle.json
    before=$(trial) || fail "the node cannot say which bundle it runs; put that right, or give it the present programs: make deploy"
    before=bundles/${before%% *}
    [ "$before" = "bundles/$id" ] || [ "$step" = switch ] || rm -rf "${folder:?}/$id"
fi
if [ ! -d "$folder/$id" ]; then
    [ "$step" != switch ] || fail "bundle $id is not on this node any more; deploy it again"
    cat >"$part.tar.gz" || fail "the card is full: $(df -h "$opt" | tail -n 1)"
    [ "$(sha256sum <"$part.tar.gz" | cut -d' ' -f1)" = "$sha256" ] || fail "it arrived damaged or not whole; deploy again"
    mkdir "$part"
    tar -xzf "$part.tar.gz" -C "$part" || fail "it does not fit on the card"
    rm "$part.tar.gz"
    sync
    mv -T "$part" "$folder/$id"
fi
case $step in
    release) try "$folder/$id" "$opt/bundle" ;;
    bundle | stage) try "$opt/current" "$folder/$id" ;;
esac || refuse "$kind $id does not work on this node, so ${before##*/} goes on"
if [ "$step" = stage ] && [ "$before" != "bundles/$id" ]; then
    echo "bundle $id waits for its switch"
    exit
fi
if [ "$kind" = bundle ] && [ -n "$before" ]; then
    if [ "$before" = "bundles/$id" ]; then
        [ "$step" = stage ] || settle
        echo "bundle $id runs already"
        exit
    fi
    point "$before" "$link.previous"
    rm -f "$state"
    point "bundles/$id"
    restart
    if [ -n "$safe_mode" ]; then
        echo "bundle $id is installed, and on trial as soon as images are captured$safe_mode"
        exit
    fi
    await_verdict
    exit
fi
if [ -n "$before" ]; then echo "$before" >"$link.undo"; sync; fi
point "${folder##*/}/$id"
if ! start; then
    [ -n "$before" ] || fail "$kind $id does not start, and there is none before it"
    point "$before"
    rm -f "$link.undo"
    start || fail "neither $kind $id nor ${before##*/} starts; see: journalctl -u latentlink"
    refuse "$kind $id does not start; ${before##*/} runs again"
fi
rm -f "$link.undo"
sync
keep_only "$id" "${before##*/}"
[ "$kind" = bundle ] || $systemctl --no-block start latentlink-compile.service
echo "$kind $id runs (before: ${before##*/})$safe_mode"
