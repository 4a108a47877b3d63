#!/usr/bin/env bash
# Installs the locked Python packages and the project itself into .venv; needs only Python 3.11 or later.
# Whatever is fetched must have a hash of scripts/bootstrap.lock or requirements.lock.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"

"$python" - <<'PY'
import sys
if sys.version_info < (3, 11):
    sys.exit(f"nascar_assets needs Python 3.11 or later; {sys.executable} is {sys.version.split()[0]}. "
             "Run again with PYTHON=/path/to/python3.11.")
PY

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    if ! "$python" -m venv .venv 2>/dev/null; then
        # Debian ships venv without ensurepip: virtualenv brings its own pip.
        rm -rf .venv .cache/virtualenv
        if ! "$python" -m pip install --quiet --require-hashes --target .cache/virtualenv -r scripts/bootstrap.lock; then
            echo "Neither venv nor pip works with $python. Install one of them (Debian: apt-get install python3-venv)." >&2
            exit 1
        fi
        PYTHONPATH=.cache/virtualenv "$python" -m virtualenv --quiet .venv
    fi
fi

.venv/bin/python -m pip install --quiet --require-hashes -r scripts/bootstrap.lock
.venv/bin/uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock --python .venv/bin/python
.venv/bin/uv pip install --quiet --no-deps --build-constraints scripts/bootstrap.lock --editable . --python .venv/bin/python

# A small run compiles the numerical kernels into their cache, so that the first real one is fast.
warm="$(mktemp -d)"
trap 'rm -rf "$warm"' EXIT
.venv/bin/nascar demo --home "$warm" --scenarios 200 --json >/dev/null
touch .venv/.installed
