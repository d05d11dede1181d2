#!/usr/bin/env bash
# Creates the virtual environment $VENV with $PYTHON and installs Watchword with all it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "error: Python 3.11 or newer is needed, $PYTHON is $("$PYTHON" -V) (make PYTHON=python3.12 ...)" >&2
    exit 1
}
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
echo "== installing Python packages into $VENV (TensorFlow is large: a few minutes the first time)"
"$VENV/bin/pip" install --quiet --disable-pip-version-check --editable '.[build,train,dev]'
