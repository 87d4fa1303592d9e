#!/usr/bin/env bash
# Builds the images and runs the demo in the foreground; Ctrl-C stops it, and keeps its data.
# Without Docker: the same demo on this machine. Further arguments go to `docker compose up` (say, -d).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

die() {
  echo "$*" >&2
  exit 1
}

# True where version $1 is at least version $2.
at_least() { [[ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" == "$2" ]]; }

run_without_docker() {
  echo "$1: running the demo on this machine without Docker."
  command -v node >/dev/null || die "Node.js is not on this machine: install Node 20 or newer."
  at_least "$(node --version)" v20 || die "Node.js is $(node --version): install Node 20 or newer."
  if [[ package-lock.json -nt node_modules/.package-lock.json ]]; then
    npm ci --no-audit --no-fund
  fi
  shift
  exec node -r ts-node/register/transpile-only local/run.ts "$@"
}

command -v docker >/dev/null || run_without_docker "Docker is not installed" "$@"
if ! info=$(docker info 2>&1); then
  [[ $info != *"permission denied"* ]] ||
    die "Docker refuses this user (permission denied): add yourself to the group docker, or use sudo."
  run_without_docker "No Docker Engine answers" "$@"
fi

compose_version=$(docker compose version --short 2>/dev/null) ||
  die "Docker Compose v2 is missing: install the package docker-compose-plugin (2.24.0 or newer)."
at_least "${compose_version#v}" 2.24.0 ||
  die "Docker Compose is ${compose_version#v}: 2.24.0 or newer is needed; update the package docker-compose-plugin."

# The first line of the resolved configuration is `name: PROJECT`.
project=$(docker compose config | sed -n 's/^name: //p')
for name in zookeeper kafka kafka-producer consumer_from_oldest consumer_from_newest consumer_batch_message; do
  owner=$(docker inspect --type container --format '{{ index .Config.Labels "com.docker.compose.project" }}' "$name" 2>/dev/null) || continue
  [[ $owner == "$project" ]] ||
    die "A container named $name is there already, of ${owner:-no Compose project}: remove it with 'docker rm -f $name'."
done

port=$(docker compose config | sed -n 's/^ *published: "\([0-9]*\)"$/\1/p')
if [[ -z $(docker compose ps --quiet --status running kafka) ]] && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
  die "Port $port on this machine is taken: stop what listens there, or choose another with KAFKA_EXTERNAL_PORT=19092 $0"
fi

plain=()
[[ -z ${NO_COLOR:-} ]] || plain=(--ansi never)
docker compose "${plain[@]}" build ${NO_CACHE:+--no-cache}

# Ctrl-C reaches Compose too, which stops the services; this script waits for that.
interrupted=
trap 'interrupted=yes' INT
status=0
# Compose's menu would draw a line of its own between those of the log.
COMPOSE_MENU=false docker compose "${plain[@]}" up "$@" || status=$?
[[ -z $interrupted ]] || exit 130
# A service that could not start leaves the others running: stop them.
((status == 0)) || docker compose "${plain[@]}" stop
exit "$status"
