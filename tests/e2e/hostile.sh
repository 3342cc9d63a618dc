#!/usr/bin/env bash
# Attacks inside the container, with whatever its engine's profile leaves: one that works although the level of
# confinement promises to refuse it is a failure.
#
#   BULKHEAD_CHAOS=1 docker compose up -d --wait && tests/e2e/hostile.sh [SERVICE]
#
# Exit status 0 when what was promised was kept.
set -uo pipefail

SERVICE=${1:-runtime}

docker compose exec -T "$SERVICE" bulkhead chaos --hostile --target /chat --probe /helper --each 0.1
status=$?
if [ "$status" = 0 ]; then echo "hostile: all ok"; else echo "hostile: FAILED" >&2; fi
exit "$status"
