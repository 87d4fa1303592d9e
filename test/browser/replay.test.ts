/** The recordings of the live view: one file, opened from the disk in a real browser that reaches nobody. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { until } from '../../harness/service';
import { PAGE, pageOf, recordingOf } from '../../tools/replay_page';
import { SCENES } from '../../tools/scenes';
import type { Group, Picture } from '../../view/picture';
import { pictures } from '../../view/recording';
import { useBrowser } from '../support/browser';

const browser = useBrowser();
afterEach(() => browser.assertQuiet());

async function open(slug: string, width = 1280, colorScheme: 'light' | 'dark' = 'light'): Promise<Page> {
  const options = { offline: true, viewport: { width, height: 800 }, colorScheme };
  const page = await browser.open(`${pathToFileURL(PAGE)}#${slug}`, options);
  await page.locator('.head').waitFor();
  return page;
}

const moment = (page: Page) => page.getByRole('slider', { name: 'moment' });
/** The moment that is shown, in seconds from the beginning. */
const shown = (page: Page) =>
  moment(page).evaluate(({ min, value }: HTMLInputElement) => Number(value) - Number(min));

test('the page is made of the recordings that are there, and is small', () => {
  const page = readFileSync(PAGE, 'utf8');
  assert.equal(page, pageOf(SCENES), 'npm run replay -- page makes it anew');
  assert.ok(Buffer.byteLength(page) < 1_500_000);
});

for (const { slug, title, caption } of SCENES)
  test(`recorded: ${title}`, async () => {
    const page = await open(slug);
    await page.getByText(caption).waitFor();
    await page.getByText(/^A recording .*, made on \d+ \w+ 2\d{3}/).waitFor();
    assert.equal(await page.locator('[aria-current="true"]').textContent(), title);
    await page.locator('.lane').first().waitFor();
    const begin = await shown(page);
    await until('it to play', async () => (await shown(page)) > begin);
    await page.getByRole('button', { name: 'pause' }).click();
    await moment(page).press('End');
    const all = pictures(recordingOf({ slug }));
    const ends = Object.values(all.at(-1)?.partitions ?? {});
    await until('its end', async () => {
      const text = (await page.locator('main').textContent()) ?? '';
      return ends.every(({ end }) => text.includes(String(end)));
    });
    await moment(page).press('Home');
    await until('its beginning', async () => (await shown(page)) === 0);
    await page.close();
    assert.ok(SHOWS[slug], 'what its caption tells is looked for');
    SHOWS[slug](all);
  });

test('another recording is a link away, and what is played begins and ends', async () => {
  const page = await open('');
  assert.equal(await page.locator('[aria-current="true"]').textContent(), SCENES[0]?.title);
  const last = SCENES.at(-1);
  await page.getByRole('link', { name: last?.title }).click();
  await page.getByText(last?.caption as string).waitFor();
  await until('six lanes', async () => (await page.locator('.lane').count()) === 6);
  await moment(page).press('End');
  await page.getByRole('button', { name: 'play' }).click();
  await until('the beginning', async () => (await shown(page)) < 5);
  await page.close();
});

test('nothing is in the way of a screen reader or of the keyboard, dark or light, narrow or wide', async () => {
  const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
  for (const [width, colorScheme] of [
    [360, 'light'],
    [1280, 'dark'],
    [2560, 'light'],
  ] as const) {
    const page = await open('how-far-can-i-scale-a-group', width, colorScheme);
    await moment(page).press('End');
    await page.locator('.lane').nth(5).waitFor();
    assert.ok(
      (await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0,
      `nothing sticks out at ${width}`,
    );
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
    );
    await page.close();
  }
});

// --- What each caption tells, by what Kafka said

const groupsOf = (picture: Picture | undefined, name: string): Group[] =>
  Object.values(picture?.groups ?? {}).filter((group) => group.name.startsWith(name));
/** The members of the group, by what they read, in each picture. */
const membersOf = (all: Picture[], id: string): [string, number[]][][] =>
  all.map(({ groups }) =>
    Object.entries(groups[id]?.members ?? {}).map(([member, { partitions }]) => [member, partitions]),
  );

const SHOWS: Record<string, (all: Picture[]) => void> = {
  'the-first-run': (all) => {
    const beginning = (name: string) => groupsOf(all.at(-1), name)[0]?.offsets[0]?.first?.offset;
    assert.equal(beginning('consumer_from_oldest'), 0);
    assert.ok((beginning('consumer_from_newest') ?? 0) >= 5);
    const steps = all.map((one) => groupsOf(one, 'consumer_batch_message')[0]?.offsets[0]?.step ?? 0);
    assert.ok(Math.max(...steps) >= 3 && Math.max(...steps) <= 5, `${steps}`);
  },
  'why-does-it-start-from-the-beginning-again': (all) => {
    const committed = all.flatMap(({ groups }) => groups.lesson?.offsets[0]?.committed ?? []);
    assert.deepEqual(
      committed,
      committed.toSorted((one, other) => one - other),
    );
    assert.equal(
      new Set(
        membersOf(all, 'lesson')
          .flat()
          .map(([member]) => member),
      ).size,
      2,
    );
    const others = all.flatMap(({ groups }) => Object.entries(groups)).filter(([id]) => id !== 'lesson');
    assert.equal(new Set(others.map(([id]) => id)).size, 2);
    for (const [, { offsets }] of others) assert.equal(offsets[0]?.first?.offset ?? 0, 0);
  },
  'why-did-i-get-a-message-twice': (all) => {
    const readers = membersOf(all, 'twice').flatMap((members) =>
      members.filter(([, partitions]) => partitions.length > 0).map(([member]) => member),
    );
    assert.equal(new Set(readers).size, 2);
  },
  'why-is-one-of-my-two-consumers-idle': (all) => {
    const members = membersOf(all, 'pair');
    const shares = members.map((one) =>
      one
        .map(([, partitions]) => partitions.join())
        .sort()
        .join('|'),
    );
    assert.ok(shares.includes('|0'), 'two members, one with nothing to do');
    const [first] = members.find(({ length }) => length === 1)?.[0] ?? [];
    const [[last, partitions] = []] = members.at(-1) ?? [];
    assert.deepEqual(partitions, [0]);
    assert.notEqual(last, first);
  },
  'how-far-can-i-scale-a-group': (all) => {
    const members = membersOf(all, 'member_from_oldest');
    for (const count of [1, 3, 6])
      assert.ok(members.some((one) => one.length === count && one.flatMap(([, all]) => all).length === 6));
    assert.ok(members.at(-1)?.every(([, partitions]) => partitions.length === 1));
  },
  'what-happens-when-the-broker-goes-away': (all) => {
    const ends = all.map(({ partitions }) => partitions[0]?.end ?? 0);
    const jump = Math.max(...ends.slice(1).map((end, index) => end - (ends[index] as number)));
    assert.ok(jump >= 5, 'what has waited at the producer comes at once');
  },
  'on-several-brokers': (all) => {
    const inSync = all.map(({ partitions }) => Object.values(partitions).map(({ isr }) => isr.length));
    assert.ok(inSync.some((one) => one.length === 6 && one.every((count) => count === 2)));
    assert.ok(inSync.at(-1)?.every((count) => count === 3));
    const leaders = all.map(({ partitions }) => Object.values(partitions).map(({ leader }) => leader));
    assert.ok(leaders.some((one) => one.length === 6 && one.includes(2)));
    assert.ok(leaders.some((one) => one.length === 6 && one.every((leader) => leader === 1 || leader === 3)));
  },
};
