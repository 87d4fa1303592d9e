#!/usr/bin/env bash
# Builds the images and runs the demo in the foreground; Ctrl-C stops it, and keeps its data.
# Without Docker: the same demo on this machine. With --view, a page shows it live: http://localhost:8080.
# With --cluster, it runs on three brokers. Further arguments go to `docker compose up` (say, -d).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

die() {
  echo "$*" >&2
  exit 1
}

# True where version $1 is at least version $2.
at_least() { [[ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" == "$2" ]]; }

# What is ours of the arguments: to Docker it is a profile of docker-compose.yml, and a second file beside it.
view=
cluster=
arguments=()
for argument in "$@"; do
  case $argument in
    --view) view=--view ;;
    --cluster) cluster=--cluster ;;
    *) arguments+=("$argument") ;;
  esac
done
# An empty array is unset to the older bash of macOS.
set -- ${arguments[@]+"${arguments[@]}"}

run_without_docker() {
  echo "$1: running the demo on this machine without Docker."
  command -v node >/dev/null || die "Node.js is not on this machine: install Node 20 or newer."
  at_least "$(node --version)" v20 || die "Node.js is $(node --version): install Node 20 or newer."
  if [[ package-lock.json -nt node_modules/.package-lock.json ]]; then
    npm ci --no-audit --no-fund
  fi
  shift
  exec node -r ./compiled local/run.ts $view $cluster "$@"
}

command -v docker >/dev/null || run_without_docker "Docker is not installed" "$@"
if ! info=$(docker info 2>&1); then
  [[ $info != *"permission denied"* ]] ||
    die "Docker refuses this user (permission denied): add yourself to the group docker, or use sudo."
  run_without_docker "No Docker Engine answers" "$@"
fi

compose_version=$(docker compose version --short 2>/dev/null) ||
  die "Docker Compose v2 is missing: install the package docker-compose-plugin (2.24.4 or newer)."
at_least "${compose_version#v}" 2.24.4 ||
  die "Docker Compose is ${compose_version#v}: 2.24.4 or newer is needed; update the package docker-compose-plugin."

[[ -z $view ]] || export COMPOSE_PROFILES="view${COMPOSE_PROFILES:+,$COMPOSE_PROFILES}"
if [[ -n $cluster && ${COMPOSE_FILE:-} != *docker-compose.cluster.yml* ]]; then
  files=${COMPOSE_FILE:-docker-compose.yml}
  # Where a list of files is given, Compose looks for no override by itself.
  override=
  [[ -n ${COMPOSE_FILE:-} || ! -e docker-compose.override.yml ]] || override=docker-compose.override.yml
  separator=${COMPOSE_PATH_SEPARATOR:-:}
  export COMPOSE_FILE=$files${separator}docker-compose.cluster.yml${override:+$separator$override}
fi
config=$(docker compose config 2>&1) ||
  die "Docker Compose refuses the settings (${config##*$'\n'}): KAFKA_EXTERNAL_PORT, VIEW_PORT and the like are ports from 1 to 65535, or left out."
project=$(sed -n 's/^name: //p' <<<"$config")
for name in $(sed -n 's/^ *container_name: //p' <<<"$config"); do
  owner=$(docker inspect --type container --format '{{ index .Config.Labels "com.docker.compose.project" }}' "$name" 2>/dev/null) || continue
  [[ $owner == "$project" ]] ||
    die "A container named $name is there already, of ${owner:-no Compose project}: remove it with 'docker rm -f $name'."
done

port_of() { sed -n "/^  $1:\$/,/^  [^ ]/s/^ *published: \"\([0-9]*\)\"\$/\1/p" <<<"$config"; }
require_port() { # service, and the setting that has another port
  local port
  port=$(port_of "$1")
  if [[ -z $(docker compose ps --quiet --status running "$1") ]] && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    die "Port $port on this machine is taken: stop what listens there, or choose another with $2 $0${cluster:+ $cluster}${view:+ $view}"
  fi
}
twice=$(for service in kafka kafka-2 kafka-3 live_view; do port_of $service; done | sort | uniq -d | head -n 1)
[[ -z $twice ]] ||
  die "Port $twice is meant for two services: give each its own (KAFKA_EXTERNAL_PORT, KAFKA_2_EXTERNAL_PORT, KAFKA_3_EXTERNAL_PORT, VIEW_PORT)."
require_port kafka KAFKA_EXTERNAL_PORT=19092
[[ -z $(port_of kafka-2) ]] || require_port kafka-2 KAFKA_2_EXTERNAL_PORT=19093
[[ -z $(port_of kafka-3) ]] || require_port kafka-3 KAFKA_3_EXTERNAL_PORT=19094
[[ -z $view ]] || require_port live_view VIEW_PORT=18080

[[ -z ${NO_COLOR:-} ]] || export COMPOSE_ANSI=never
docker compose build ${NO_CACHE:+--no-cache}

# One broker or three: what ran before is stopped in its order, and what this stack has not is taken away. Its data
# stays.
left=$(docker ps --all --filter "label=com.docker.compose.project=$project" --format '{{ .Label "com.docker.compose.service" }}')
if grep -xE 'zookeeper|kafka-[23]' <<<"$left" | grep -qvxF "$(docker compose config --services)"; then
  docker compose stop
  set -- --remove-orphans "$@"
fi

[[ -z $view ]] || echo "The live view: http://localhost:$(port_of live_view)"

# Ctrl-C is for this script alone, so `up` runs in a process group of its own: Compose takes one Ctrl-C for the
# end of its work and for a signal, and when it sees them in the wrong order it kills the services, or leaves
# them running (2.40.3 and 5.5.0: pkg/compose/up.go, cmd/compose/compose.go).
signals=0
trap 'signals=$((signals + 1))' INT TERM
# The terminal is closed: there is nobody left to tell, and all that would write to it would fail. That may be said
# more than once, and is no wish to force anything.
trap '((signals)) || signals=1; exec >/dev/null 2>&1' HUP
set -m
# Compose's menu would draw a line of its own between those of the log.
COMPOSE_MENU=false docker compose up "$@" </dev/null &
up=$!
set +m
status=0
wait "$up" || status=$?
if ((signals == 0)); then
  # A service that could not start leaves the others running: stop them.
  ((status == 0)) || docker compose stop
  exit "$status"
fi

echo "Stopping; Ctrl-C again to force." >&2
# What was added to the demo meanwhile, members of a group or the view, goes with it.
everything() { docker compose --profile '*' "$@"; }
anything_runs() { [[ -n $(everything ps --quiet --orphans=false) ]]; }
while anything_runs || kill -0 "$up" 2>/dev/null; do
  if ((signals > 1)); then
    everything --progress quiet kill || true
  elif anything_runs; then
    everything --progress quiet stop || true
  else
    # Still at the images: nothing is there to be stopped but Compose itself.
    kill -INT -- "-$up" 2>/dev/null || true
  fi
done
exit 130
