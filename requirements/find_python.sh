#!/bin/bash
# The interpreter for `make setup`: the newest that answers, since a name may be a shim that leads nowhere. For root, the newest
# that other accounts can run too: a site's roles and its operators do not look into /root. Where there is none, that is said.
set -u

check='import sys; sys.exit(sys.version_info < (3, 11))'
first=
# A shell in between: setpriv itself still passes closed directories.
while read -r path; do
    real=$("$path" -c "$check" 2>/dev/null && "$path" -c 'import sys; print(sys.executable)' 2>/dev/null) || continue
    if [ "$(id -u)" != 0 ] ||
        setpriv --reuid 65534 --regid 65534 --clear-groups -- sh -c '"$0" -c "import ensurepip, venv"' "$real" 2>/dev/null; then
        echo "$real"
        exit
    fi
    first=${first:-$real}
done < <(type -aP python3.13 python3.12 python3.11 python3)
if [ -n "$first" ]; then
    echo "note: $first is all there is, and other accounts cannot run it: \`make setup PYTHON=/usr/bin/python3\` takes another" >&2
    echo "$first"
fi
