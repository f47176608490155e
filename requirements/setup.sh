#!/bin/sh
# Build a virtual environment from its lock:  setup.sh VENV PYTHON [TORCH_INDEX [train|global]]
# Whatever is missing is said in one sentence; a half-built environment is not taken for a whole one, and of two that
# are started at once the second waits for the first.
set -eu
venv=$1 python=$2 torch_index=${3-} name=${4-train}
here=$(dirname "$0")
case $name in
    train) need_mb=4500 again='make setup' versions='3.11, 3.12 or 3.13' ;;
    *) need_mb=500 again="make $name" versions=3.11 ;;
esac
# The lock on descriptor 9 is this script's too: it lasts until the script ends, however it ends.
lock_it='import fcntl
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("setup: another make is at it; waiting for that one", flush=True)
    fcntl.flock(9, fcntl.LOCK_EX)
except OSError:
    pass  # a file system without locks'

fail() { echo "setup: $1" >&2; exit 1; }

command -v "$python" >/dev/null || fail "there is no '$python' here; install Python $versions, or name it: $again PYTHON=/path/to/python3.11"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case $name-$version in
    train-3.11) lock=$here/train-3.11.lock.txt ;;
    train-3.12 | train-3.13) lock=$here/train-3.12.lock.txt ;;
    global-3.11) lock=$here/global.lock.txt ;;
    *) fail "'$python' is Python $version and what is pinned is for $versions; name one: $again PYTHON=/path/to/python3.11" ;;
esac
free_mb=$(df -Pm "$(dirname "$venv")" | awk 'NR == 2 { print $4 }')
[ -x "$venv/bin/pip" ] || [ "$free_mb" -ge $need_mb ] || fail "the environment needs $need_mb MB and $free_mb MB are free in $(cd "$(dirname "$venv")" && pwd); make room"

mkdir -p "$venv"
exec 9>"$venv/.lock"
"$python" -c "$lock_it"
[ "$venv/.ready" -nt "$lock" ] && [ "$venv/.ready" -nt "$0" ] && exit

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
made_by=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$made_by" = "$version" ] || fail "$venv was made by Python $made_by and '$python' is $version; delete it, or say $again PYTHON=python$made_by"
log=$venv/setup.log
# uv is several times faster; where it does not find what pip finds, pip does it. Both take a second source from PIP_FIND_LINKS.
if command -v uv >/dev/null; then installer=uv; else installer=pip; fi
install() {
    { [ $installer = uv ] && uv pip install --quiet --python "$venv/bin/python" ${PIP_FIND_LINKS:+--find-links "$PIP_FIND_LINKS"} "$@"; } ||
        "$venv/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check "$@"
}
count=$(cat "$lock" $(sed -n "s#^-r #$here/#p" "$lock") | grep -c ==)
echo "setup: installing $count pinned packages into $venv by $installer, with Python $version from $(command -v "$python") (a minute or two)"
[ "$version" = 3.11 ] || [ "$name" != train ] || echo "setup: on Python $version onnx2tf 2 exports, without TensorFlow; with 3.11 it is as the released models were made"
{
    # PyTorch's own index has wheels without CUDA; the lock's version then matches what is already there.
    { [ -z "$torch_index" ] || ! grep -q '^torch==' "$lock" || install --index-url "$torch_index" "$(grep '^torch==' "$lock")"; } && install -r "$lock"
} >"$log" 2>&1 || {
    tail -n 5 "$log" >&2
    why="is the network there?"
    grep -q "No space left" "$log" && why="the disk is full: make room (PyTorch with CUDA takes gigabytes more, TORCH_INDEX= avoids it)."
    fail "the packages could not be installed (above, and $log); $why Then run '$again' again"
}
touch "$venv/.ready"  # while the others still wait
