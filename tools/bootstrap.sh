#!/usr/bin/env bash
# Makes .venv from a lock file, checked by hash, and does nothing when it is up to date.
#   tools/bootstrap.sh [requirements/dev.txt]
set -euo pipefail
cd "$(dirname "$0")/.."
lock_file=${1:-requirements/dev.txt}
venv=${SPOTLIGHT_VENV:-.venv}

fail() { echo "bootstrap: $1" >&2; exit 1; }

# Two makes at once (run and test) must not install into the same folder together.
if command -v flock >/dev/null; then exec 9<"$lock_file"; flock 9; fi

wanted=$(cksum "$lock_file" | cut -d' ' -f1,2)
[ -x "$venv/bin/python" ] && [ "$(cat "$venv/.stamp" 2>/dev/null)" = "$wanted" ] && exit 0

usable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
if [ ! -x "$venv/bin/python" ]; then
  python=""
  for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
    if usable "$candidate"; then python=$candidate; break; fi
  done
  [ -n "$python" ] || fail "Python 3.11 or newer with its venv module is needed; none is on PATH (set PYTHON=... to name one)"
  echo "bootstrap: making $venv with $("$python" -V)"
  "$python" -m venv "$venv" || fail "$venv cannot be made: is there space, and may this folder be written?"
fi

free_kb=$(df -Pk . | awk 'NR==2 {print $4}')
[ "$free_kb" -gt 2500000 ] || fail "about 2.5 GB of free space are needed here, there are $((free_kb / 1000)) MB"

echo "bootstrap: installing $lock_file"
# uv takes seconds where pip takes minutes; pip alone does as well. Both use the package index pip is set up with.
index=$("$venv/bin/python" -m pip config get global.index-url 2>/dev/null || true)
[ -n "$index" ] && export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
if "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
     -r requirements/bootstrap.txt 2>/dev/null &&
   "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r "$lock_file"; then
  :
else
  echo "bootstrap: uv could not do it, pip goes on"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock_file" ||
    fail "the packages of $lock_file cannot be installed: is the package index reachable?"
fi
echo "$wanted" > "$venv/.stamp"
