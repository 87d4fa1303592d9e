#!/usr/bin/env bash
# As buildAndRun.sh, but every step of the images is built anew.
NO_CACHE=1 exec "$(dirname "${BASH_SOURCE[0]}")/buildAndRun.sh" "$@"
