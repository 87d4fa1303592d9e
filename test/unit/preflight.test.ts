/** What buildAndRun.sh says before it starts anything, on machines that lack something. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { LOCAL_FILES } from '../../harness/compose';
import { Recorded } from '../../harness/service';

const ROOT = join(__dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));
after(() => rmSync(folder, { recursive: true }));

/** Of a machine's programs, those that the script itself needs. */
const TOOLS = ['bash', 'env', 'dirname', 'sed', 'sort', 'uniq', 'head'];

type Programs = (string | [string, string])[];

/** Runs the script on a machine that has only these programs: names, or a shell script by name. */
function run(programs: Programs, args: string[] = [], shell: string[] = []) {
  const { script, env } = machine(programs);
  const [command = '', ...rest] = [...shell, script, ...args];
  const { status, stderr, stdout } = spawnSync(command, rest, { env, encoding: 'utf8' });
  return { status, errors: stderr.trim().split('\n'), lines: stdout.trim().split('\n') };
}

function machine(programs: Programs) {
  const bin = mkdtempSync(join(folder, 'bin-'));
  for (const program of [...TOOLS, ...programs]) {
    if (typeof program === 'string') {
      const path = spawnSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).stdout.trim();
      symlinkSync(path, join(bin, program));
    } else {
      writeFileSync(join(bin, program[0]), `#!/bin/sh\n${program[1]}\n`);
      chmodSync(join(bin, program[0]), 0o755);
    }
  }
  const project = mkdtempSync(join(folder, 'project-'));
  for (const name of ['buildAndRun.sh', 'lib', ...LOCAL_FILES])
    cpSync(join(ROOT, name), join(project, name), { recursive: true });
  for (const name of ['package.json', 'package-lock.json', 'tsconfig.json'])
    cpSync(join(ROOT, name), join(project, name));
  // As after an install, whenever this one's packages were.
  utimesSync(join(project, 'package-lock.json'), 0, 0);
  symlinkSync(join(ROOT, 'node_modules'), join(project, 'node_modules'));
  return { script: join(project, 'buildAndRun.sh'), env: { PATH: bin, HOME: folder } };
}

const docker = (version: string, engine = 'exit 0'): [string, string] => [
  'docker',
  `case "$1 $2" in "info "*) ${engine};; "compose version") ${version};; esac`,
];

test('a user whom Docker refuses is told how to be let in', () => {
  const refusal = 'echo "permission denied while trying to connect to the Docker daemon socket" >&2; exit 1';
  const { status, errors } = run([docker('exit 1', refusal)]);
  assert.equal(status, 1);
  assert.deepEqual(errors, [
    'Docker refuses this user (permission denied): add yourself to the group docker, or use sudo.',
  ]);
});

test('Docker without Compose v2, or with one too old, is one line with the remedy', () => {
  assert.deepEqual(run([docker('exit 1')]).errors, [
    'Docker Compose v2 is missing: install the package docker-compose-plugin (2.24.4 or newer).',
  ]);
  for (const version of ['2.24.3', 'v2.9.0'])
    assert.deepEqual(run([docker(`echo ${version}`)]).errors, [
      `Docker Compose is ${version.replace('v', '')}: 2.24.4 or newer is needed; update the package docker-compose-plugin.`,
    ]);
});

test('another Compose than that of Docker is called by its name', () => {
  const printed = 'podman-compose version 1.3.0\\npodman version 5.4.0\\n';
  assert.deepEqual(run([docker(`printf '${printed}'`)]).errors, [
    "docker compose is podman-compose 1.3.0 here: install Docker's own, the package docker-compose-plugin (2.24.4 or newer).",
  ]);
  assert.deepEqual(run([docker("echo 'Docker Compose version v2.20.3-desktop.1'")]).errors, [
    'Docker Compose is 2.20.3-desktop.1: 2.24.4 or newer is needed; update the package docker-compose-plugin.',
  ]);
});

test('--help says what the script takes, under sh too, and starts nothing', () => {
  for (const shell of [[], ['sh']])
    for (const option of ['--help', '-h']) {
      const { status, lines, errors } = run([docker('exit 1', 'exit 1'), 'sh'], ['--view', option], shell);
      assert.equal(status, 0);
      assert.deepEqual(errors, ['']);
      assert.match(lines[0] as string, /^Usage: \S*buildAndRun.sh \[--view\] \[--cluster\]/);
    }
});

/** A Docker whose Compose knows all options but --vew, and whose `compose config` does that. */
const composing = (config: string): [string, string] => [
  'docker',
  `case "$*" in
    "compose version") echo 2.40.3 ;;
    "compose up --help"*--vew*) printf 'unknown flag: --vew\\n\\nUsage:' >&2; exit 16 ;;
    "compose config") ${config} ;;
  esac`,
];

test('what Compose would refuse is a line, before anything is built', () => {
  const { status, errors, lines } = run([composing('exit 0')], ['-d', '--vew']);
  assert.equal(status, 1);
  assert.deepEqual(lines, ['']);
  assert.match(
    errors.join('\n'),
    /^docker compose up: unknown flag: --vew; \S+ --help says what there is\.$/,
  );
  for (const scale of [['--scale', 'consumer_from_oldest=2'], ['--scale=consumer_from_oldest=12']])
    assert.match(
      run([composing('exit 0')], scale).errors.join('\n'),
      /^consumer_from_oldest is one container, .* --scale member_from_oldest=1?2 member_from_oldest$/,
    );
});

test('a setting that Compose refuses is a line with the reason, and with the remedy where it is a port', () => {
  const refusing = (reason: string) => run([composing(`echo '${reason}' >&2; exit 1`)]).errors;
  assert.deepEqual(refusing('failed to read .env: line 1: key cannot contain a space'), [
    'Docker Compose refuses the settings: failed to read .env: line 1: key cannot contain a space.',
  ]);
  assert.deepEqual(refusing('invalid hostPort: abc'), [
    'Docker Compose refuses the settings: invalid hostPort: abc; KAFKA_EXTERNAL_PORT, VIEW_PORT and the like are ports from 1 to 65535, or left out.',
  ]);
});

test("Kafka's port on this machine can't be that of its other listener", () => {
  const config =
    'name: demo\\nservices:\\n  kafka:\\n    ports:\\n        target: 29092\\n        published: "29092"\\nnetworks:\\n';
  assert.deepEqual(run([composing(`printf '${config}'`)]).errors, [
    'Port 29092 is meant for two listeners, the other is that of the containers: choose another KAFKA_EXTERNAL_PORT.',
  ]);
});

test('two services that are to have the same port are told so, before anything is built', () => {
  const service = (name: string, port: number) =>
    `  ${name}:\\n    ports:\\n      - mode: ingress\\n        published: "${port}"\\n`;
  const config = `printf 'name: demo\\nservices:\\n${service('kafka', 9092)}${service('kafka-2', 9092)}networks:\\n'`;
  const { status, errors } = run([
    ['docker', `case "$1 $2" in "compose version") echo 2.40.3;; "compose config") ${config};; esac`],
  ]);
  assert.equal(status, 1);
  assert.deepEqual(errors, [
    'Port 9092 is meant for two services: give each its own (KAFKA_EXTERNAL_PORT, KAFKA_2_EXTERNAL_PORT, KAFKA_3_EXTERNAL_PORT, VIEW_PORT).',
  ]);
});

test('Ctrl-C while the images are built ends it, and is not said to be a failure of theirs', async () => {
  const building = `case "$*" in
    "compose version") echo 2.40.3 ;;
    "compose build"*) trap 'exit 1' INT; echo building; while :; do sleep 0.1; done ;;
  esac`;
  const { script, env } = machine([['docker', building], 'sleep']);
  const demo = new Recorded(spawn(script, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] }));
  await demo.line('the images being built', (line) => line === 'building');
  process.kill(-(demo.child.pid as number), 'SIGINT');
  assert.deepEqual(await demo.exit, { code: 130, signal: null });
  assert.deepEqual(demo.errors, []);
});

test('without Docker, a missing or old Node.js, a missing Java and a missing Maven are one line each', () => {
  assert.deepEqual(run([]), {
    status: 1,
    lines: ['Docker is not installed: running the demo on this machine without Docker.'],
    errors: ['Node.js is not on this machine: install Node 20 or newer.'],
  });
  assert.deepEqual(run([['node', 'echo v18.20.0']]).errors, [
    'Node.js is v18.20.0: install Node 20 or newer.',
  ]);
  assert.deepEqual(run(['node']).errors, [
    'java is not on this machine: install Java 17, say the package openjdk-17-jre-headless',
  ]);
  assert.deepEqual(run(['node', ['java', 'exit 0']]).errors, [
    'mvn is not on this machine: install Maven 3.8 or newer, say the package maven',
  ]);
});
