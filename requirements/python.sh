#!/bin/sh
# Name a Python that is here and runs, of the first of these versions that there is:  python.sh 3.11 3.12 3.13
for version; do
    for python in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python python3; do
        found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        [ "$found" = "$version" ] && command -v "$python" && exit
    done
done
exit 1
