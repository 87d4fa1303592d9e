/** The live view in a real browser, on a real Kafka. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, test } from 'node:test';
import type { Page } from 'playwright-core';
import { framesIn } from '../../harness/browser';
import { readInGroups } from '../../harness/groups';
import { startService, until } from '../../harness/service';
import { openView, type View } from '../../harness/view';
import { useBrowser } from '../support/browser';
import { messages, useKafka } from '../support/kafka';

const kafka = useKafka();
const browser = useBrowser();
afterEach(() => browser.assertQuiet());

/** A topic of its own, and the page of it. */
async function show(
  { partitions = 1, written = 5 } = {},
  options: Parameters<typeof browser.open>[1] = {},
): Promise<{ topic: string; view: View; page: Page }> {
  const topic = await kafka.createTopic(partitions);
  for (let partition = 0; partition < partitions; partition++)
    await kafka.write(topic, messages(0, written), partition);
  const view = await openView({ KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic });
  const page = await browser.open(`http://localhost:${view.port}/`, {
    viewport: { width: 1280, height: 800 },
    ...options,
  });
  await page
    .locator('.lane')
    .nth(partitions - 1)
    .waitFor();
  return { topic, view, page };
}

const consumer = (topic: string, groupId: string, more: Record<string, string> = {}) =>
  startService('consumer_from_oldest', {
    KAFKA_BROKERS: kafka.broker.brokers,
    KAFKA_TOPIC: topic,
    GROUP_ID: groupId,
    ...more,
  });

/** The offsets of the cells, from left to right. */
const cells = (page: Page) => page.locator('.cell button').allTextContents();

/** What the cell or the word that has the focus says of itself. */
async function tipOf(page: Page): Promise<string> {
  return (await page.getByRole('tooltip').textContent()) ?? '';
}

async function close({ page, view }: { page: Page; view: View }): Promise<void> {
  await page.close();
  assert.equal(await view.service.stop(), 0);
}

test('each message is a numbered cell, new ones come by themselves, and on focus each tells what it is', async () => {
  const shown = await show();
  const { page, topic } = shown;
  await until('the five', async () => (await cells(page)).join() === '0,1,2,3,4');
  await kafka.write(topic, ['{"current_time":"2026-01-02 03:04:05","n":"the sixth"}']);
  await until('the sixth', async () => (await cells(page)).join() === '0,1,2,3,4,5');
  await page.locator('.cell button').last().focus();
  await page.getByText('"n":"the sixth"').waitFor();
  assert.match(await tipOf(page), /\d\d:\d\d:\d\d, (\d+ ms|[\d.]+ s|\d+ min) ago/);
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), '3');
  await page.keyboard.press('Home');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), '0');
  await close(shown);
});

test('the flags are where Kafka says, before a commit and after it', async () => {
  const shown = await show({ partitions: 2 });
  const { page, topic } = shown;
  await kafka.admin.setOffsets({ groupId: 'standing', topic, partitions: [{ partition: 0, offset: '2' }] });
  await page.locator('.group-row').first().waitFor();
  const lane = page.locator('.lane').first();
  const flag = lane.locator('.flag');
  await until('the flag at 2', async () => (await flag.getAttribute('data-committed')) === '2');
  assert.match((await lane.locator('.group-row .figures').textContent()) ?? '', /^3 not committed/);
  const left = async (selector: string, index: number) =>
    (await lane.locator(selector).nth(index).boundingBox())?.x ?? Number.NaN;
  await until(
    'the flag at the left side of the cell',
    async () => Math.abs((await left('.flag', 0)) - (await left('.cell', 2))) < 2,
  );
  const reader = consumer(topic, 'standing');
  await until('its commit', async () => (await kafka.committed('standing', topic)) === 5);
  await until('the flag at 5', async () => (await flag.getAttribute('data-committed')) === '5');
  await until('all committed', async () => /all committed/.test((await lane.textContent()) ?? ''));
  assert.equal(await reader.stop(), 0);
  await close(shown);
});

test('a second member joins, and a partition that moves is shown as a move', async () => {
  const shown = await show({ partitions: 2 });
  const { page, topic } = shown;
  const members = [consumer(topic, 'pair')];
  await page.locator('.group .chip').nth(1).waitFor();
  for (const partition of [0, 1])
    await until('its commits', async () => (await kafka.committed('pair', topic, partition)) === 5);
  members.push(consumer(topic, 'pair'));
  await page.locator('.chip.is-moved').first().waitFor();
  assert.match((await page.locator('.chip.is-moved').first().textContent()) ?? '', /^a →[01]$/);
  const told = await page.locator('.happening').allTextContents();
  assert.ok(
    told.some((text) =>
      /pair: b joined; partition [01] moves from a to b; b goes on at 5: what a /.test(text),
    ),
    told.join('\n'),
  );
  await until('a band in the line', async () => (await page.locator('.group-row .band').count()) > 0);
  for (const member of members) assert.equal(await member.stop(), 0);
  await page.getByText(/^no member: Kafka keeps its place$/).waitFor();
  await close(shown);
});

test('a broker that goes away and comes back is said, and the lanes go on', async () => {
  const shown = await show();
  const { page, topic } = shown;
  await kafka.broker.stopKafka();
  await page.getByText(/^Kafka has not answered since \d\d:\d\d:\d\d; what you see is/).waitFor();
  assert.deepEqual(await cells(page), ['0', '1', '2', '3', '4']);
  await kafka.broker.startKafka();
  await page.locator('.fresh.good').waitFor();
  await kafka.write(topic, messages(5, 6));
  await until('the sixth', async () => (await cells(page)).at(-1) === '5');
  const told = (await page.locator('.happening').allTextContents()).join('\n');
  assert.match(told, /Kafka did not answer for /);
  await close(shown);
});

test('a server that goes away is said, and the page connects again by itself', async () => {
  const shown = await show();
  const { page, topic, view } = shown;
  assert.equal(await view.service.stop(), 0);
  await page.getByText(/^The live view does not answer/).waitFor();
  const again = startService('live_view', {
    KAFKA_BROKERS: kafka.broker.brokers,
    KAFKA_TOPIC: topic,
    VIEW_PORT: String(view.port),
  });
  await page.locator('.fresh.good').waitFor();
  await kafka.write(topic, messages(5, 6));
  await until('the sixth', async () => (await cells(page)).at(-1) === '5');
  await page.close();
  assert.equal(await again.stop(), 0);
});

test('a value is text and nothing else, whatever it holds', async () => {
  const shown = await show({ written: 0 });
  const { page, topic } = shown;
  const odd = [
    '<img src=x onerror="window.hacked=1;alert(1)"><script>window.hacked=1</script>',
    '\u202egnorw\u0007',
    `${'y'.repeat(900_000)}`,
  ];
  for (const value of odd) await kafka.write(topic, [value]);
  await kafka.write(topic, [null]);
  const showsValue = async (index: number, value: string) => {
    await page.locator('.cell button').nth(index).focus();
    await until(`the value ${value.slice(0, 20)}`, async () => {
      return (await page.locator('.tip .value').textContent()) === value;
    });
  };
  await until('all four', async () => (await cells(page)).length === 4);
  await showsValue(0, odd[0] as string);
  await showsValue(1, '\\u202egnorw\\u0007');
  await showsValue(2, `${'y'.repeat(120)}…`);
  await showsValue(3, 'no value (a "tombstone")');
  assert.equal(await page.locator('img').count(), 0);
  assert.equal(await page.evaluate(() => 'hacked' in window), false);
  await close(shown);
});

test('the page can be paused and looked back on, and goes on where it is then', async () => {
  const shown = await show();
  const { page, topic } = shown;
  await until('the five', async () => (await cells(page)).length === 5);
  await page.getByRole('button', { name: 'pause' }).click();
  await kafka.write(topic, messages(5, 8));
  await until(
    'the server to have it',
    async () => (await shown.view.state()).picture.partitions[0]?.end === 8,
  );
  assert.equal((await cells(page)).length, 5);
  assert.match((await page.locator('.fresh').textContent()) ?? '', /looking back/);
  await page.getByRole('button', { name: 'back to now' }).click();
  await until('the eight', async () => (await cells(page)).length === 8);
  const slider = page.getByRole('slider', { name: 'moment' });
  await until('some seconds to look back on', () =>
    slider.evaluate(({ min, max }: HTMLInputElement) => Number(max) - Number(min) >= 3),
  );
  await slider.focus();
  for (let step = 0; step < 3; step++) await page.keyboard.press('ArrowLeft');
  await until('what was then', async () =>
    /ago$/.test((await page.locator('.time output').textContent()) ?? ''),
  );
  await close(shown);
});

test('the address keeps the topic and the groups that were chosen', async () => {
  const shown = await show();
  const { page, topic, view } = shown;
  const other = await kafka.createTopic();
  await kafka.write(other, messages(0, 2));
  for (const groupId of ['one', 'two'])
    await kafka.admin.setOffsets({ groupId, topic: other, partitions: [{ partition: 0, offset: '1' }] });
  await page.reload();
  await page.locator('.lane').waitFor();
  await until('the other topic', async () =>
    (await page.locator('select option').allTextContents()).includes(other),
  );
  await page.locator('select').selectOption(other);
  await until('both groups', async () => (await page.locator('.group-row').count()) === 2);
  await page.getByRole('button', { name: 'two' }).click();
  await until('one group', async () => (await page.locator('.group-row').count()) === 1);
  const address = page.url();
  assert.equal(address, `http://localhost:${view.port}/?topic=${other}&group=one`);
  const same = await browser.open(address);
  await same.locator('.group-row').waitFor();
  assert.equal(await same.locator('.group-row').count(), 1);
  assert.deepEqual(await cells(same), ['0', '1']);
  assert.notEqual(topic, other);
  await same.close();
  await close(shown);
});

test('who is killed looks so before Kafka gives it up, and what may come twice is said', async () => {
  const shown = await show();
  const { page, topic } = shown;
  const producer = startService('kafka-producer', {
    KAFKA_BROKERS: kafka.broker.brokers,
    KAFKA_TOPIC: topic,
  });
  const killed = consumer(topic, 'taken-over');
  await until('its commits', async () => ((await kafka.committed('taken-over', topic)) ?? 0) > 6);
  const other = consumer(topic, 'taken-over');
  await until('two members', async () => (await page.locator('.group .members li').count()) === 2);
  const reads = page.locator('.members li', { hasText: 'reads partition 0' });
  const letter = (await reads.locator('.letter').textContent()) ?? '';
  const [victim, heir] = letter === 'a' ? [killed, other] : [other, killed];
  victim.child.kill('SIGKILL');
  await page.getByText(/^no commit for \d+ s: Kafka gives up a member/).waitFor();
  assert.equal(await page.locator('.flag.is-quiet').count(), 1);
  const takenOver = `${letter} is given up by Kafka.*goes on at \\d+: what ${letter} handled after that comes`;
  const told = page.locator('.happening', { hasText: new RegExp(takenOver) });
  await told.waitFor();
  await told.getByRole('button').click();
  await page.getByText('looking back').waitFor();
  assert.equal(await heir.stop(), 0);
  assert.equal(await producer.stop(), 0);
  await close(shown);
});

test('a message from before a group began was not for it, and is not coloured by who has gone', async () => {
  const shown = await show();
  const { page, topic } = shown;
  await kafka.admin.setOffsets({
    groupId: 'left-behind',
    topic,
    partitions: [{ partition: 0, offset: '1' }],
  });
  const newest = startService('consumer_from_newest', {
    KAFKA_BROKERS: kafka.broker.brokers,
    KAFKA_TOPIC: topic,
  });
  await page.getByText('began at 5: skipped 0–4', { exact: true }).waitFor();
  await kafka.write(topic, messages(5, 7));
  await until('the two', async () => (await page.locator('.cell.all').count()) === 2);
  assert.equal(await page.locator('.cell.not-for').count(), 5);
  await page.locator('.cell button').nth(2).focus();
  await until('the tip', async () => /not for it: it began at 5/.test(await tipOf(page)));
  assert.equal(await newest.stop(), 0);
  await close(shown);
});

test('the window stands still under the cell that is looked at, which keeps the focus', async () => {
  const shown = await show();
  const { page, topic } = shown;
  await until('the five', async () => (await cells(page)).length === 5);
  await page.locator('.cell button').nth(2).focus();
  await kafka.write(topic, messages(5, 205));
  await until('the rest', async () => /\d+ more/.test((await page.locator('.lane').textContent()) ?? ''));
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), '2');
  await page.keyboard.press('Escape');
  await until('the end', async () => (await cells(page)).at(-1) === '204');
  await close(shown);
});

/** What does not add up in what is seen now. */
function faultsSeen(): string[] {
  const faults: string[] = [];
  const left = (element: Element | null | undefined) => element?.getBoundingClientRect().left ?? Number.NaN;
  for (const lane of document.querySelectorAll('.lane')) {
    const end = Number(lane.querySelector('.next-cell')?.textContent);
    const known = new Map(
      [...lane.querySelectorAll('.cell')].map((cell) => [Number(cell.textContent), cell]),
    );
    for (const row of lane.querySelectorAll('.group-row')) {
      const flag = row.querySelector('.flag');
      if (!flag) continue;
      const committed = Number(flag.getAttribute('data-committed'));
      const told = row.querySelector('.figures')?.textContent ?? '';
      const lag = told.startsWith('all committed') ? 0 : Number.parseInt(told, 10);
      const name = row.querySelector('.group-name')?.textContent;
      if (committed + lag !== end) faults.push(`${name}: ${committed} and ${lag} are not ${end}`);
      if (flag.classList.contains('is-out')) continue;
      const place = left(known.get(committed) ?? lane.querySelector('.next-cell'));
      if (Math.abs(left(flag) - place) > 2) faults.push(`${name}: its flag is not at ${committed}`);
      const stripe = row.querySelector('.lag')?.getBoundingClientRect();
      if (lag > 0 && Math.abs((stripe?.right ?? 0) - left(lane.querySelector('.next-cell'))) > 2)
        faults.push(`${name}: its stripe does not end at ${end}`);
      const badge = row.querySelector('.badge')?.textContent;
      if (badge !== String(committed)) faults.push(`${name}: its flag says ${badge}, not ${committed}`);
    }
  }
  return faults;
}

test('in each of some hundred frames, live and looking back, all numbers and shapes are of one state', async () => {
  const shown = await show({ written: 20 });
  const { page, topic } = shown;
  const settings = { KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic };
  const services = [
    startService('kafka-producer', { ...settings, SEND_INTERVAL_MS: '150' }),
    ...(['consumer_from_oldest', 'consumer_from_newest', 'consumer_batch_message'] as const).map((name) =>
      startService(name, settings),
    ),
  ];
  await until('three flags', async () => (await page.locator('.flag').count()) === 3);
  const watch = () =>
    page.evaluate(
      async ({ look, frames }) => {
        const faultsIn = new Function(`return (${look})()`);
        const states = new Set<string>();
        const faults: string[] = [];
        // Where few states come, as on a busy machine, it is watched for longer.
        for (let frame = 0; frame < frames || (states.size <= 10 && frame < 10 * frames); frame++) {
          await new Promise(requestAnimationFrame);
          states.add(document.querySelector('.lanes')?.textContent ?? '');
          faults.push(...faultsIn());
        }
        return { states: states.size, faults };
      },
      { look: faultsSeen.toString(), frames: 300 },
    );
  const live = await watch();
  assert.deepEqual(live.faults, []);
  assert.ok(live.states > 10, `${live.states} states`);
  await page.getByText('All have caught up. Try next:').waitFor();
  await page.getByRole('button', { name: 'pause' }).click();
  const slider = page.getByRole('slider', { name: 'moment' });
  await slider.focus();
  for (let step = 0; step < 20; step++) {
    await page.keyboard.press('ArrowLeft');
    assert.deepEqual(await page.evaluate(`(${faultsSeen})()`), []);
  }
  for (const service of services) assert.equal(await service.stop(), 0);
  await close(shown);
});

/** So many frames a second the page is to draw where twenty groups move in each of twelve partitions. */
const FLOOR = 30;

test('frames are drawn smoothly where twenty groups move', async () => {
  const shown = await show({ partitions: 12 }, { viewport: { width: 1440, height: 1000 } });
  const { page, topic } = shown;
  const names = Array.from({ length: 20 }, (_, index) => `mover-${index}`);
  const end = await readInGroups(kafka.broker.brokers, topic, names);
  const producer = startService('kafka-producer', {
    KAFKA_BROKERS: kafka.broker.brokers,
    KAFKA_TOPIC: topic,
    SEND_INTERVAL_MS: '2',
  });
  await until(
    'all flags of a lane',
    async () => (await page.locator('.lane').first().locator('.flag').count()) === 20,
  );
  const flags = () =>
    page
      .locator('.lane')
      .first()
      .locator('.flag')
      .evaluateAll((all) => all.map((one) => one.getAttribute('data-committed')));
  const before = await flags();
  await until('all to move', async () => (await flags()).every((one, index) => one !== before[index]));
  // A machine that is busy with something else is given the time to be less so.
  await until(`${FLOOR} frames a second`, async () => (await framesIn(page, 3000)) >= FLOOR);
  await end();
  assert.equal(await producer.stop(), 0);
  await close(shown);
});

test('nothing is in the way of a screen reader or of the keyboard, dark or light, narrow or wide', async () => {
  const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
  const shown = await show({ partitions: 2 });
  const reader = consumer(shown.topic, 'reading');
  await shown.page.locator('.group .chip').nth(1).waitFor();
  for (const colorScheme of ['light', 'dark'] as const)
    for (const width of [360, 1280, 3840]) {
      const page = await browser.open(`http://localhost:${shown.view.port}/`, {
        colorScheme,
        viewport: { width, height: 900 },
        reducedMotion: 'reduce',
      });
      await page.locator('.group .chip').nth(1).waitFor();
      await page.getByText('All figures as a table').click();
      await page.locator('tbody tr').nth(1).waitFor();
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `nothing sticks out at ${width}`);
      // By the protocol of the browser, which no policy of the page holds back.
      await page.evaluate(axe);
      // biome-ignore lint/suspicious/noExplicitAny: axe is in the page, and not here.
      const { violations } = await page.evaluate(() => (window as any).axe.run());
      assert.deepEqual(
        violations.map(({ id, nodes }: { id: string; nodes: { html: string }[] }) => [
          id,
          nodes.map(({ html }) => html),
        ]),
        [],
        `${colorScheme}, ${width}`,
      );
      await page.close();
    }
  assert.equal(await reader.stop(), 0);
  await close(shown);
});
