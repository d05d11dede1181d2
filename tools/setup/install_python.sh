#!/usr/bin/env bash
# Creates the virtual environment $VENV with $PYTHON and installs Watchword with all it needs, and the
# optional parts (pyproject.toml) that $EXTRAS names, with commas: the very files of requirements/*.txt.
# PART=device installs what boards alone need.
set -euo pipefail
cd "$(dirname "$0")/../.."

"$PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || {
    echo "error: Python 3.11 to 3.13 is needed (TensorFlow), $PYTHON is $("$PYTHON" -V):" \
        "make PYTHON=python3.12 ..., with its python3.12-venv and python3.12-dev" >&2
    exit 1
}
# pip is the last thing that creating an environment adds: without it, an earlier attempt was cut off.
[ -x "$VENV/bin/pip" ] || "$PYTHON" -m venv --clear "$VENV"
PART="${PART:-default}"
case "$PART" in
default)
    echo "== installing Python packages into $VENV (TensorFlow is large: a few minutes the first time)"
    package=(--no-build-isolation --no-deps --editable .)
    ;;
*) # setuptools, which compiles the C core, is among the packages of the default alone
    echo "== installing Python packages into $VENV"
    package=(--no-deps --editable .)
    ;;
esac
requirements=(--requirement "requirements/$PART.txt")
unlocked=
for extra in ${EXTRAS//,/ }; do
    if [ -f "requirements/$extra.txt" ]; then
        requirements+=(--requirement "requirements/$extra.txt")
    else # pyproject.toml's own pins, see tools/setup/lock.py
        unlocked+=",$extra"
    fi
done
pip=("$VENV/bin/pip" install --quiet --disable-pip-version-check)
"${pip[@]}" --require-hashes "${requirements[@]}"
"${pip[@]}" "${package[@]}"
[ -z "$unlocked" ] || "${pip[@]}" --no-build-isolation --editable ".[${unlocked#,}]"
