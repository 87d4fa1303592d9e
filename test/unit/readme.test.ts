/** What the README and the docs say is there: files, headings, commands, settings, and lines that were recorded. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import {
  excerpt,
  experimentsOf,
  LEFT_OUT,
  QUOTING,
  quotesOf,
  SAMPLES,
  slugOf,
  TEXTS,
} from '../../harness/experiments';
import { SCENES } from '../../tools/scenes';

const ROOT = join(__dirname, '..', '..');
const read = (...names: string[]) => readFileSync(join(ROOT, ...names), 'utf8');
const DOCS = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
const PAGES = ['README.md', 'CONTRIBUTING.md', ...DOCS.map((name) => `docs/${name}`)];

/** Without what is shown as code. */
const prose = (page: string) => read(page).replace(/^ *```.*?^ *```|^ {4}.*?$|`[^`\n]*`/gms, '');
const anchors = (page: string) =>
  page.endsWith('.html')
    ? SCENES.map(({ slug }) => slug)
    : [...prose(page).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => slugOf(title));

for (const page of PAGES)
  test(`${page}: each link and each picture leads somewhere`, () => {
    const targets = [...prose(page).matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target);
    for (const target of targets.filter((target) => !target.includes('://'))) {
      const [path = '', anchor] = target.split('#');
      const file = path ? join(dirname(page), path) : page;
      assert.ok(existsSync(join(ROOT, file)), `${target}: no such file`);
      if (anchor) assert.ok(anchors(file).includes(anchor), `${target}: no such heading`);
    }
  });

test('each page and picture in docs/ is linked from another page', () => {
  const linked = PAGES.flatMap((page) =>
    [...read(page).matchAll(/\]\(([^)#]+)/g)].map(([, path = '']) => join(dirname(page), path)),
  );
  for (const name of readdirSync(join(ROOT, 'docs'))) assert.ok(linked.includes(join('docs', name)), name);
});

test('each command of npm that a page names is there', () => {
  const { scripts } = JSON.parse(read('package.json'));
  for (const page of PAGES)
    for (const [, name = ''] of read(page).matchAll(/npm\s+run\s+(?:-s\s+)?([\w]+)/g))
      assert.ok(name in scripts, `${page}: npm run ${name}`);
});

test('each script and source file that a page names is there', () => {
  for (const page of PAGES)
    for (const [, name = ''] of read(page).matchAll(
      /(?<![\w/.*-])(?!\/)(?!console\.log)((?:\.\/)?[\w/-]+\.(?:sh|ts|dockerfile|yml|log))\b/g,
    ))
      assert.ok(
        [
          name,
          ...['producer', 'consumers', 'test/integration', 'docs', SAMPLES].map((folder) =>
            join(folder, name),
          ),
        ].some((file) => existsSync(join(ROOT, file))),
        `${page}: ${name}`,
      );
});

test('the code that the README shows is that of the consumer', () => {
  const [, code = ''] = /```ts\n(.*?)```/s.exec(read('README.md')) ?? [];
  assert.ok(code.length > 100 && read('consumers', 'consumer_fromOldest.ts').endsWith(code), code);
});

test('each setting of the code is in a table', () => {
  const code = readdirSync(join(ROOT, 'lib', 'settings')).map((name) => read('lib', 'settings', name));
  const names = [...code.join('\n').matchAll(/^\s+([A-Z][A-Z_]+): \w+\(/gm)].map(([, name = '']) => name);
  assert.ok(names.length >= 13, `${names}`);
  const rows = PAGES.map((page) => read(page)).join('\n');
  for (const name of names) assert.match(rows, new RegExp(`^\\|.*\`${name}\``, 'm'));
});

/** Each line is in the log, at once after the line before it unless there is LEFT_OUT between them. */
function assertQuoted(lines: readonly string[], log: readonly string[]): void {
  let from = 0;
  const places = lines.flatMap((line) => {
    if (line === LEFT_OUT) return [];
    const at = log.indexOf(line, from);
    assert.ok(at >= 0, `not recorded: ${line}`);
    from = at + 1;
    return [at];
  });
  assert.deepEqual(lines, excerpt(log, places));
}

for (const page of QUOTING)
  test(`${page} quotes sample_consumer.log as it is`, () => {
    const quotes = quotesOf(read(page));
    assert.ok(quotes.length >= 1);
    for (const lines of quotes) assertQuoted(lines, read('sample_consumer.log').split('\n'));
  });

test('the README is read in five minutes: at most 1,400 words of prose, 3,000 in all', () => {
  const all = read('README.md');
  const text = all
    .replace(/<!-- (drills|bench) -->.*?<!-- end of \1 -->|<!--.*?-->/gs, '')
    .replace(/^ *```.*?^ *```|^ {4}.*?$|^\|.*?$|!\[[^\]]*\]\([^)]*\)|\]\([^)]*\)|`[^`]*`/gms, '');
  // As `wc -w` counts them.
  const words = (some: string) => some.trim().split(/\s+/).length;
  assert.ok(words(text) <= 1400, `${words(text)} words of prose`);
  assert.ok(words(all) <= 3000, `${words(all)} words`);
});

const experiments = TEXTS.flatMap((page) => experimentsOf(read(page)));

for (const { title, slug, steps } of experiments)
  test(`${title} shows what was recorded`, () => {
    const [caption, ...log] = read(SAMPLES, `${slug}.log`).trimEnd().split('\n');
    assert.equal(caption, `# ${title}`);
    const recorded = log.join('\n').split(/\n(?=\n\$ )|^(?=\n\$ )/);
    assert.equal(recorded.length, steps.length);
    for (const [index, { commands, lines }] of steps.entries()) {
      const typed = commands
        .trimEnd()
        .split('\n')
        .map((command) => `$ ${command}`);
      const printed = (recorded[index] as string).trimStart().split('\n');
      assert.deepEqual(printed.slice(0, typed.length), typed);
      assertQuoted(lines, printed.slice(typed.length));
    }
  });

test('each recording is of an experiment', () => {
  const slugs = experiments.map(({ slug }) => `${slug}.log`);
  assert.deepEqual(readdirSync(join(ROOT, SAMPLES)).sort(), slugs.sort());
});

test('each experiment asks, says what the live view shows, and what has been learned', () => {
  for (const page of TEXTS)
    for (const section of read(page).split(/\n##+ /)) {
      if (experimentsOf(`\n## ${section}`).length === 0) continue;
      assert.match(section, /^(?:Why|How|When|What) .*\?\n/);
      assert.match(section, /\nIn the live view(?:, .*?)?: /);
      assert.match(section, /\n\*\*Learned\*\*: /);
    }
});

test('each row of "What do you need?" is held by tests', () => {
  const tests = ['consumers', 'delivery', 'log']
    .map((name) => read('test', 'integration', `${name}.test.ts`))
    .join();
  for (const title of [
    // The first start.
    'the oldest replays the whole history, then follows',
    'the newest skips the history, and misses nothing after its Starting line',
    // Started again; the experiment "Why does it start from the beginning again?" shows both kinds of group.
    'a fixed GROUP_ID resumes where it committed, and is left at once',
    'a group named by chance is deleted on a clean stop',
    // A crash.
    'killed in mid-work with a fixed GROUP_ID, a consumer resumes: only what was not committed comes again',
    'one by one, commits stay at most 100 messages behind a slow handler',
    'one by one, what is handled is committed within a second, with nothing more coming',
    'a batch in the making is not committed; a whole one is',
    // What bounds it: what is gone.
    'while a consumer stood still are said, and a batch in the making is handled first',
  ])
    assert.ok(tests.includes(`test('${title}'`), title);
});

test('the picture of the six words adds up', () => {
  const [, end] = /the next message is (\d+)/.exec(read('README.md')) ?? [];
  const groups = [...read('README.md').matchAll(/committed (\d+), lag (\d+)/g)];
  assert.equal(groups.length, 3);
  for (const [, committed, lag] of groups) assert.equal(Number(committed) + Number(lag), Number(end));
});
