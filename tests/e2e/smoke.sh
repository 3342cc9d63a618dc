#!/usr/bin/env bash
# Smoke test: what a stranger tries first, with bash and curl alone.
#
#   tests/e2e/smoke.sh [BASE]        BASE defaults to http://127.0.0.1:8080
#
# The server must serve the example agents.  Exit status 0 when every line says ok.
set -uo pipefail

BASE=${1:-${BASE:-http://127.0.0.1:8080}}
ROOM=smoke-$$
failed=0

ok() { printf 'ok    %s\n' "$1"; }
bad() { printf 'FAIL  %s\n' "$1"; [ $# -gt 1 ] && printf '      %s\n' "$2"; failed=1; }
get() { curl -sS --noproxy '*' --max-time 20 "$@"; }
check() { # check NAME PATTERN TEXT
    if grep -Eq -- "$2" <<<"$3"; then ok "$1"; else bad "$1" "wanted /$2/ in: ${3:0:400}"; fi
}
field() { sed -nE "s/.*\"$1\": ?\"?([^\",}]*)\"?.*/\1/p" <<<"$2" | head -n 1; }

# ---- it is up, and its programs are loaded: calls are taken before the last of them is
for _ in $(seq 150); do
    loaded=$(get -f "$BASE/workers" 2>/dev/null) && ! grep -Eq '"state": ?"loading"' <<<"$loaded" && break
    sleep 0.2
done
health=$(get "$BASE/healthz" 2>/dev/null)
check "/healthz says ok" '"status": ?"ok"' "${health:-no answer}"
check "GET / is the liveness of MeshAgent" '^\{"ok": ?true\}' "$(get "$BASE/")"
check "/readyz is 200" '^200$' "$(get -o /dev/null -w '%{http_code}' "$BASE/readyz")"
check "/metrics is Prometheus text" '^# TYPE ' "$(get "$BASE/metrics")"

check "Studio is served" 'src="/studio/studio\.js"' "$(get "$BASE/studio/rooms/$ROOM")"
check "with its files" '^200$' "$(get -o /dev/null -w '%{http_code}' "$BASE/studio/studio.js")"

# ---- the endpoints
workers=$(get "$BASE/workers")
check "/workers lists endpoints" '"path": ?"/' "$workers"
path=/chat
grep -q '"/chat"' <<<"$workers" || path=$(grep -oE '"path": ?"/[^"]*"' <<<"$workers" | head -n 1 | sed -E 's/.*"(\/[^"]*)"/\1/')
check "the service describes itself" '"kind": ?"Service"' "$(get "$BASE/.well-known/meshagent-service.json")"

# ---- a first call needs no token
call="{
  \"event\": \"room.call\", \"data\": {\"room_name\": \"$ROOM\"}
}"
answer=$(get -X POST "$BASE$path" -H 'Content-Type: application/json' -H 'Prefer: wait=15' -d "$call")
check "POST $path starts a session" '"ok": ?true' "$answer"
session=$(field session "$answer")
check "the answer names the session" '^s_' "$session"

worker=$(get "$BASE/workers/$session")
check "/workers/$session is ready" '"state": ?"ready"' "$worker"
pid=$(field pid "$worker")
check "it has a process of its own" '^[1-9][0-9]*$' "$pid"
check "it is in the room" "\"room\": ?\"$ROOM\"" "$worker"

second=$(field session "$(get -X POST "$BASE$path" -H 'Content-Type: application/json' -H 'Prefer: wait=15' -d "$call")")
pid2=$(field pid "$(get "$BASE/workers/$second")")
if [ -n "$pid2" ] && [ "$pid2" != "$pid" ]; then ok "a second call gets another process"; else bad "a second call gets another process" "pids $pid and $pid2"; fi

# ---- mistakes are explained
wrong=$(get -i -X POST "$BASE/no-such-agent" -H 'Content-Type: application/json' -d "$call")
check "a wrong path is 404" '^HTTP/[0-9.]+ 404' "$wrong"
check "as problem+json" 'application/problem\+json' "$wrong"
check "that names the known paths" "$path" "$wrong"
check "a broken body is 400" '^400$' "$(get -o /dev/null -w '%{http_code}' -X POST "$BASE$path" -H 'Content-Type: application/json' -d '{')"

# ---- it ends when told to, alone
code=$(get -o /dev/null -w '%{http_code}' -X DELETE "$BASE/workers/$session")
check "DELETE /workers/$session is accepted" '^2[0-9][0-9]$' "$code"
ended=
for _ in $(seq 75); do
    ended=$(get "$BASE/workers/$session")
    grep -Eq '"state": ?"exited"' <<<"$ended" && break
    sleep 0.2
done
check "it exits" '"state": ?"exited"' "$ended"
check "with its reason" '"reason": ?"stopped"' "$ended"
check "its sibling stays" '"state": ?"ready"' "$(get "$BASE/workers/$second")"
get -o /dev/null -X DELETE "$BASE/workers/$second"

if [ "$failed" = 0 ]; then echo "smoke: all ok at $BASE"; else echo "smoke: FAILED at $BASE" >&2; fi
exit "$failed"
