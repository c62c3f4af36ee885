#!/usr/bin/env bash
# Counts the instructions of a whole server for one request, under callgrind (Debian: valgrind):
#   ./instructions.sh                        all routes of both servers
#   ./instructions.sh cloakroom GET /me      one of them
# The difference between 1,200 and 200 requests, so that what a start costs is not in it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
cargo build --release --quiet
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

total() { # server method path requests
    : >"$out/said"
    valgrind --quiet --tool=callgrind --callgrind-out-file="$out/profile" "target/release/$1" >"$out/said" 2>/dev/null &
    local server=$!
    until grep -q listening "$out/said"; do sleep 0.1; done
    target/release/load "$(sed 's/listening on //' "$out/said")" "$2" "$3" "$4"
    kill "$server"
    wait "$server" || true
    awk '/^totals:/ { print $2 }' "$out/profile"
}

count() { # server method path
    local few many
    few=$(total "$1" "$2" "$3" 200)
    many=$(total "$1" "$2" "$3" 1200)
    printf '%-10s %-4s %-7s %7d\n' "$1" "$2" "$3" $(((many - few) / 1000))
}

if [ $# -eq 3 ]; then
    count "$@"
else
    for server in bare cloakroom; do
        for request in "GET /plain" "GET /anon" "GET /me" "POST /bump"; do
            # Two words on purpose.
            # shellcheck disable=SC2086
            count $server $request
        done
    done
    count cloakroom GET /forged
fi
