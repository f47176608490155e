#!/bin/sh
# Build a virtual environment from its lock:  setup.sh VENV PYTHON [TORCH_INDEX [host|global]]
# Whatever is missing is said in one sentence; a half-built environment is not taken for a whole one, and of two that
# are started at once the second waits for the first.
set -eu
venv=$1 python=$2 torch_index=${3-} name=${4-host}
lock=$(dirname "$0")/$name.lock.txt
case $name in
    host) need_mb=4500 again='make setup' ;;
    *) need_mb=500 again="make $name" ;;
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

command -v "$python" >/dev/null || fail "there is no '$python' here; install Python 3.11, or name it: $again PYTHON=/path/to/python3.11"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$version" = 3.11 ] || fail "'$python' is Python $version and the $name's lock is for 3.11; name one: $again PYTHON=/path/to/python3.11"
free_mb=$(df -Pm "$(dirname "$venv")" | awk 'NR == 2 { print $4 }')
[ -x "$venv/bin/pip" ] || [ "$free_mb" -ge $need_mb ] || fail "the environment needs $need_mb MB and $free_mb MB are free in $(cd "$(dirname "$venv")" && pwd); make room"

mkdir -p "$venv"
exec 9>"$venv/.lock"
"$python" -c "$lock_it"
[ "$venv/.ready" -nt "$lock" ] && [ "$venv/.ready" -nt "$0" ] && exit

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
install() { "$venv/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check "$@"; }
log=$venv/setup.log
echo "setup: installing $(grep -c == "$lock") pinned packages into $venv (a minute or two)"
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
