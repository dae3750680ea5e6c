#!/bin/sh
# Shows how what triage says differs from what was approved, and approves it. Read the diff, then commit it with the change that made it.
here=$(dirname "$(readlink -f "$0")")
exec python3 "$here/golden.py" --triage "${TRIAGE:-$here/../../build/bin/triage}" --approve "$@"
