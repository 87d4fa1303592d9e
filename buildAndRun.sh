#!/usr/bin/env bash
# Builds the images and runs the demo; --help says what it takes.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@" # As `sh buildAndRun.sh`: what follows is more than sh knows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Up to the start of the services Ctrl-C ends it like that, whatever what it called then makes of its own.
trap 'exit 130' INT

USAGE="Usage: $0 [--view] [--cluster] [what docker compose up takes]

Builds the images and runs the demo in the foreground. Ctrl-C stops it, and keeps its data.

  --view      adds a page that shows it live: http://localhost:8080
  --cluster   runs it on three brokers
  -d          runs it in the background: docker compose logs --follow, docker compose stop

Where there is no Docker it runs on this machine without, and takes the first two. README.md has the settings, as
BATCH_SIZE=7 $0"

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
    --help | -h) echo "$USAGE" && exit ;;
    --view) view=--view ;;
    --cluster) cluster=--cluster ;;
    *) arguments+=("$argument") ;;
  esac
done
# An empty array is unset to the older bash of macOS.
set -- ${arguments[@]+"${arguments[@]}"}
[[ ! "$*" =~ consumer_([a-z_]+)=([2-9]|[1-9][0-9]) ]] ||
  die "consumer_${BASH_REMATCH[1]} is one container, of that name. For more members: $0 -d, then docker compose up -d --no-deps --scale member_${BASH_REMATCH[1]}=${BASH_REMATCH[2]} member_${BASH_REMATCH[1]}"

run_without_docker() {
  echo "$1: running the demo on this machine without Docker."
  command -v node >/dev/null || die "Node.js is not on this machine: install Node 20 or newer."
  at_least "$(node --version)" v20 || die "Node.js is $(node --version): install Node 20 or newer."
  # The compiler too, which NODE_ENV=production would leave out.
  if [[ package-lock.json -nt node_modules/.package-lock.json || ! -e node_modules/typescript ]]; then
    npm ci --include=dev --no-audit --no-fund
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

# Its first line is as `Docker Compose version v2.40.3`.
version=$(docker compose version 2>/dev/null) ||
  die "Docker Compose v2 is missing: install the package docker-compose-plugin (2.24.4 or newer)."
[[ ! ${version%%$'\n'*} =~ ^(.*)\ version\ v?([^ ,]+) ]] || version=${BASH_REMATCH[2]}
name=${BASH_REMATCH[1]:-Docker Compose}
[[ $name == "Docker Compose" ]] ||
  die "docker compose is $name $version here: install Docker's own, the package docker-compose-plugin (2.24.4 or newer)."
at_least "${version#v}" 2.24.4 ||
  die "Docker Compose is ${version#v}: 2.24.4 or newer is needed; update the package docker-compose-plugin."
refusal=$(docker compose up --help "$@" 2>&1 >/dev/null) ||
  die "docker compose up: ${refusal%%$'\n'*}; $0 --help says what there is."

[[ -z $view ]] || export COMPOSE_PROFILES="view${COMPOSE_PROFILES:+,$COMPOSE_PROFILES}"
if [[ -n $cluster && ${COMPOSE_FILE:-} != *docker-compose.cluster.yml* ]]; then
  separator=${COMPOSE_PATH_SEPARATOR:-:}
  # Where a list of files is given, Compose looks for no override by itself.
  [[ -n ${COMPOSE_FILE:-} || ! -e docker-compose.override.yml ]] || override=${separator}docker-compose.override.yml
  export COMPOSE_FILE=${COMPOSE_FILE:-docker-compose.yml}${separator}docker-compose.cluster.yml${override:-}
fi
if ! config=$(docker compose config 2>&1); then
  remedy=
  [[ ! $config =~ invalid\ (containerPort|hostPort|proto) ]] ||
    remedy="; KAFKA_EXTERNAL_PORT, VIEW_PORT and the like are ports from 1 to 65535, or left out"
  die "Docker Compose refuses the settings: ${config##*$'\n'}$remedy."
fi
project=$(sed -n 's/^name: //p' <<<"$config")
for name in $(sed -n 's/^ *container_name: //p' <<<"$config"); do
  owner=$(docker inspect --type container --format '{{ index .Config.Labels "com.docker.compose.project" }}' "$name" 2>/dev/null) || continue
  [[ $owner == "$project" ]] ||
    die "A container named $name is there already, of ${owner:-no Compose project}: remove it with 'docker rm -f $name'."
done

# The ports that a service has by that key: published on this machine, target in its container.
port() { sed -n "/^  $1:\$/,/^  [^ ]/s/^ *$2: \"\{0,1\}\([0-9]*\)\"\{0,1\}\$/\1/p" <<<"$config"; }
[[ $(port kafka target) != 29092 ]] ||
  die "Port 29092 is meant for two listeners, the other is that of the containers: choose another KAFKA_EXTERNAL_PORT."
twice=$(for service in kafka kafka-2 kafka-3 live_view; do port $service published; done | sort | uniq -d | head -n 1)
[[ -z $twice ]] ||
  die "Port $twice is meant for two services: give each its own (KAFKA_EXTERNAL_PORT, KAFKA_2_EXTERNAL_PORT, KAFKA_3_EXTERNAL_PORT, VIEW_PORT)."
for one in kafka/KAFKA_EXTERNAL_PORT=19092 kafka-2/KAFKA_2_EXTERNAL_PORT=19093 kafka-3/KAFKA_3_EXTERNAL_PORT=19094 live_view/VIEW_PORT=18080; do
  number=$(port "${one%/*}" published)
  [[ -n $number && -z $(docker compose ps --quiet --status running "${one%/*}") ]] || continue
  ! (exec 3<>"/dev/tcp/127.0.0.1/$number") 2>/dev/null ||
    die "Port $number on this machine is taken: stop what listens there, or choose another with ${one#*/} $0${cluster:+ $cluster}${view:+ $view}"
done

[[ -z ${NO_COLOR:-} ]] || export COMPOSE_ANSI=never
# Where the folder's name is not ASCII, BuildKit takes one image at a time (Compose 2.40.3), or none.
unless=
if (LC_ALL=C && [[ $PWD == *[![:print:]]* ]]); then
  export COMPOSE_BAKE=false
  unless=": if it is for the name of this folder, which is not ASCII ($PWD), move the demo to another"
fi
docker compose build ${NO_CACHE:+--no-cache} || die "The images could not be built$unless."

# One broker or three: what ran before is stopped in its order, and what this stack has not is taken away. Its data
# stays.
ours=label=com.docker.compose.project=$project
left=$(docker ps --all --filter "$ours" --format '{{ .Label "com.docker.compose.service" }}')
if grep -xE 'zookeeper|kafka-[23]' <<<"$left" | grep -qvxF "$(docker compose config --services)"; then
  docker compose stop
  set -- --remove-orphans "$@"
fi

[[ -z $view ]] || echo "The live view: http://localhost:$(port live_view published)"

# What runs, and since when. (Each id is a word.)
# shellcheck disable=SC2046
lives() { docker inspect --format '{{ .Id }} {{ .State.StartedAt }}' $(docker ps --quiet --filter "$ours") 2>/dev/null || true; }
before=$(lives)

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
((signals)) || wait "$up" || status=$?
if ((signals == 0)); then
  # A service that could not start leaves the others running: stop them, unless nothing was started at all.
  ((status == 0)) || [[ $(lives) == "$before" ]] || docker compose stop
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
