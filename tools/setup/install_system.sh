#!/usr/bin/env bash
# Installs the Debian/Ubuntu packages of tools/setup/apt-packages.txt and of the arguments that are missing,
# and those of tools/setup/apt-packages-esp32.txt where the distribution has them.
set -euo pipefail
cd "$(dirname "$0")"

listed() { sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$1"; }
missing() { # of the packages on standard input
    local package
    while read -r package; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
    done
}

mapfile -t wanted < <({ listed apt-packages.txt; for name in "$@"; do echo "$name"; done; } | missing)
mapfile -t optional < <(listed apt-packages-esp32.txt | missing)
[ $((${#wanted[@]} + ${#optional[@]})) -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
    [ ${#wanted[@]} -eq 0 ] && exit 0
    echo "error: this is not Debian or Ubuntu; install the equivalents of: ${wanted[*]}" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        [ ${#wanted[@]} -eq 0 ] && exit 0
        echo "error: run as root: apt-get install ${wanted[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" -qq >"$log" 2>&1
}
failed() { tail -n 20 "$log" >&2; echo "error: apt-get failed (see above)" >&2; exit 1; }

has_all() { # of these packages, by apt's lists as they are
    local package
    for package in "$@"; do apt-cache show "$package" >/dev/null 2>&1 || return 1; done
}

update() { # apt's lists, once
    [ -n "$updated" ] || apt update || failed
    updated=yes
}
updated=

# Every `make` comes by here: apt's lists are fetched when something is to be installed for sure.
if [ ${#wanted[@]} -gt 0 ] || [ -n "${CI:-}" ]; then update; fi
if [ ${#optional[@]} -gt 0 ] && has_all "${optional[@]}"; then
    wanted+=("${optional[@]}")
elif [ ${#optional[@]} -gt 0 ] && [ ${#wanted[@]} -gt 0 ]; then
    echo "== no emulated ESP32: this distribution lacks some of ${optional[*]}"
fi
[ ${#wanted[@]} -eq 0 ] && exit 0
echo "== installing Debian packages: ${wanted[*]}"
update
apt install -y --no-install-recommends "${wanted[@]}" || failed
