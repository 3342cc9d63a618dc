#!/usr/bin/env bash
# A user for each bundle and session, in a container with the override: run beside smoke.sh, on the machine of the engine.
#
#   docker compose -f docker-compose.yml -f docker-compose.uids.yml up --detach --build --wait
#   tests/e2e/users.sh [BASE]        BASE defaults to http://127.0.0.1:8080
#
# Exit status 0 when every line says ok.
set -uo pipefail

BASE=${1:-http://127.0.0.1:8080}
container=$(docker compose ps --quiet runtime)
failed=0

ok() { printf 'ok    %s\n' "$1"; }
bad() { printf 'FAIL  %s\n      %s\n' "$1" "${2:0:600}"; failed=1; }
is() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "wanted $2, got $3"; fi; }
get() { curl -sS --noproxy '*' --max-time 20 "$@"; }
inside() { docker exec "$container" sh -c "$1"; }
field() { sed -nE "s/.*\"$1\": ?\"?([^\",}]*)\"?.*/\1/p" <<<"$2" | head -n 1; }
call() { # call ROOM: the id of a session of /chat
    field session "$(get -X POST "$BASE/chat" -H 'Content-Type: application/json' -H 'Prefer: wait=15' \
        -d "{\"event\": \"room.call\", \"data\": {\"room_name\": \"$1\"}}")"
}

for _ in $(seq 150); do
    loaded=$(get -f "$BASE/workers" 2>/dev/null) && ! grep -Eq '"state": ?"loading"' <<<"$loaded" && break
    sleep 0.2
done
one=$(call users-1) two=$(call users-2)
if [ -n "$one" ] && [ -n "$two" ]; then ok "sessions start"; else bad "sessions start" "$loaded"; fi

users=()
for session in "$one" "$two"; do
    told=$(get "$BASE/workers/$session")
    pid=$(field pid "$told") user=$(field uid "$told")
    users+=("$user")
    is "$session runs as whom it is said to" "$user $user $user $user" \
        "$(inside "awk '/^Uid:/ {print \$2, \$3, \$4, \$5}' /proc/$pid/status")"
    is "$session has no capabilities" "0000000000000000" "$(inside "awk '/^CapEff:/ {print \$2}' /proc/$pid/status")"
    check=$(field pss_bytes "$told")
    if [ "${check:-0}" -gt 0 ]; then ok "its memory can be measured"; else bad "its memory can be measured" "$told"; fi
done
if [ "${users[0]}" != "${users[1]}" ] && [ "${users[0]}" -ge 200000 ]; then
    ok "each has a user of its own"
else
    bad "each has a user of its own" "${users[*]}"
fi
is "nothing but the server runs as root" "" \
    "$(inside 'for p in /proc/[0-9]*; do grep -qs "^Uid:[[:space:]]*0" "$p/status" && tr "\0" " " <"$p/cmdline" && echo; done' \
        | grep -Ev 'bulkhead serve|runtime\.front|^sh -c|^docker-init|^/sbin/docker-init' | tr -d '\n')"
is "no private folder is anybody else's" "" \
    "$(inside 'find /var/lib/bulkhead/sessions -mindepth 2 -maxdepth 2 \( -user 0 -o -perm /077 \)')"
for session in "$one" "$two"; do get -o /dev/null -X DELETE "$BASE/workers/$session"; done
left="?"
for _ in $(seq 50); do
    left=$(inside "find /var/lib/bulkhead/sessions -user ${users[0]} -o -user ${users[1]}")
    [ -z "$left" ] && break
    sleep 0.1
done
is "what they had is removed" "" "$left"

exit $failed
