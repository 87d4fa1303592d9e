/** The live view beside a demo on Docker Compose that runs without it: added, compared, taken away. In this order. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { buildAndRun, compose, copyProject, docker, inspect, OUR_SERVICES } from '../../harness/compose';
import { until } from '../../harness/service';
import { ask } from '../../harness/view';
import type { Snapshot } from '../../view/picture';

const folder = copyProject();
const PORT = 8080;
const OTHERS = ['zookeeper', 'kafka', ...OUR_SERVICES];

before(async () => {
  compose(folder, '--profile', '*', 'down', '--volumes', '--remove-orphans');
  assert.equal((await buildAndRun(folder, ['--detach']).exit).code, 0);
});
after(() => {
  compose(folder, '--profile', '*', 'down', '--volumes');
  rmSync(folder, { recursive: true });
});

const state = async () => JSON.parse((await ask(PORT, '/api/state')).body) as Snapshot;
/** Undefined while nobody listens. */
const page = () => ask(PORT, '/').catch(() => undefined);

/** What would change if a container were made anew, or started again. */
const lives = () =>
  OTHERS.map((name) => {
    const { Id, State, RestartCount } = inspect(name);
    return [name, Id, State.StartedAt, State.Pid, RestartCount];
  });
const linesOf = (name: string) => docker('logs', name).split('\n');
const groups = () => kafka('kafka-consumer-groups', '--list', '--timeout', '60000').split('\n').sort();
const kafka = (tool: string, ...args: string[]) =>
  docker('exec', 'kafka', tool, '--bootstrap-server', 'kafka:29092', ...args);

let earlier: ReturnType<typeof lives>;
let groupsBefore: string[];

test('without --view there is no such container', async () => {
  assert.equal(docker('ps', '--all', '--quiet', '--filter', 'name=live_view'), '');
  earlier = lives();
  groupsBefore = await until('the three groups', () => {
    const all = groups();
    return all.length === 3 && all;
  });
});

test('it is added to the running demo', async () => {
  compose(folder, '--profile', 'view', 'up', '--detach', '--build', 'live_view');
  const { status, body } = await until('the page', page);
  assert.equal(status, 200);
  assert.match(body, /<title>/);
  await until('the three groups', async () => {
    const { picture } = await state();
    const shown = Object.values(picture.groups);
    return shown.length === 3 && shown.every(({ state }) => state === 'Stable');
  });
  assert.deepEqual(linesOf('live_view'), ['The live view is at http://localhost:8080']);
});

test("its figures are those of Kafka's own tool", async () => {
  // The two ask at different moments: nothing is to move meanwhile.
  compose(folder, 'pause', 'kafka-producer');
  try {
    const rows = await until('all to be read', () => {
      const described = kafka('kafka-consumer-groups', '--describe', '--all-groups', '--timeout', '60000')
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .filter(([, topic]) => topic === 'test-topic');
      return described.length === 3 && described.every(([, , , , , lag]) => lag === '0') && described;
    });
    const end = rows[0]?.[4];
    const { groups, partitions } = (
      await until('the view to know the end', async () => {
        const seen = await state();
        const lags = Object.values(seen.picture.groups).map(({ lag }) => lag);
        return String(seen.picture.partitions[0]?.end) === end && lags.every((lag) => lag === 0) && seen;
      })
    ).picture;
    for (const [group = '', , partition = '', committed, end, lag, member = '', host, client] of rows) {
      const { offsets, members } = groups[group] as Snapshot['picture']['groups'][string];
      assert.equal(String(offsets[partition]?.committed), committed, group);
      assert.equal(String(partitions[partition]?.end), end, group);
      assert.equal(String(offsets[partition]?.lag), lag, group);
      assert.deepEqual(members[member]?.partitions, [Number(partition)], group);
      assert.equal(`/${members[member]?.host}`, host, group);
      assert.equal(members[member]?.client, client, group);
    }
  } finally {
    compose(folder, 'unpause', 'kafka-producer');
  }
  // Docker counts what was paused as unhealthy until its next check, and Compose would start nothing that needs it.
  await until('a healthy producer', () => inspect('kafka-producer').State.Health.Status === 'healthy');
});

test('it has no rights, no files to write, 128 MB, and a port on this machine alone', () => {
  const { Config, HostConfig, NetworkSettings } = inspect('live_view');
  assert.equal(Config.User, 'node');
  assert.equal(HostConfig.ReadonlyRootfs, true);
  assert.deepEqual(HostConfig.CapDrop, ['ALL']);
  assert.deepEqual(HostConfig.SecurityOpt, ['no-new-privileges:true']);
  assert.equal(HostConfig.Memory, 128 * 2 ** 20);
  assert.equal(HostConfig.Privileged, false);
  assert.deepEqual(NetworkSettings.Ports, { '8080/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }] });
});

test('taken away again it ends with exit code 0, and nobody has noticed it', () => {
  compose(folder, '--profile', 'view', 'stop', 'live_view');
  assert.deepEqual([inspect('live_view').State.ExitCode, inspect('live_view').State.OOMKilled], [0, false]);
  compose(folder, '--profile', 'view', 'rm', '--stop', '--force', 'live_view');
  assert.equal(docker('ps', '--all', '--quiet', '--filter', 'name=live_view'), '');
  assert.deepEqual(groups(), groupsBefore);
  assert.deepEqual(lives(), earlier);
  for (const name of OTHERS)
    assert.deepEqual(
      linesOf(name).filter((line) => /view/i.test(line)),
      [],
      name,
    );
});

test('./buildAndRun.sh --view brings it with the rest, and prints its address', async () => {
  const stack = buildAndRun(folder, ['--view', '--detach']);
  assert.equal((await stack.exit).code, 0, stack.errors.join('\n'));
  assert.ok(stack.lines.includes(`The live view: http://localhost:${PORT}`), stack.lines.join('\n'));
  assert.equal((await until('the page', page)).status, 200);
  assert.deepEqual(lives(), earlier, 'the others go on');
});
