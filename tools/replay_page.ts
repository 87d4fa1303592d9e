/** The page of the recordings: one file that asks nobody for anything. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleReplay } from '../view/bundle';
import type { Recording, Shown } from '../view/recording';
import type { Scene } from './scenes';

const REPLAY = join(__dirname, '..', 'docs', 'replay');
export const PAGE = join(REPLAY, 'index.html');
export const recordingFile = ({ slug }: Pick<Scene, 'slug'>) => join(REPLAY, `${slug}.json`);
export const recordingOf = (scene: Pick<Scene, 'slug'>): Recording =>
  JSON.parse(readFileSync(recordingFile(scene), 'utf8'));

export function pageOf(scenes: readonly Scene[]): string {
  const { script, style, icon } = bundleReplay();
  const shown = scenes.map(
    ({ slug, title, caption }): Shown => ({ slug, title, caption, recording: recordingOf({ slug }) }),
  );
  // In a script nothing but its end tag has a meaning, and JSON may have that in its strings only.
  const data = JSON.stringify(shown).replaceAll('<', '\\u003c');
  const code = script.replaceAll('</script', '<\\/script');
  // Nothing but what is in this file: no request to anywhere.
  const policy = [
    "default-src 'none'",
    'img-src data:',
    `script-src ${sourceOf(code)}`,
    `style-src ${sourceOf(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>How do Kafka consumers behave? Recorded</title>
<link rel="icon" href="data:image/svg+xml;base64,${Buffer.from(icon).toString('base64')}">
<style>${style}</style>
</head>
<body>
<noscript>This page shows Kafka as it moved: it needs JavaScript.</noscript>
<div id="scenes"></div>
<div id="page"></div>
<script type="application/json" id="recordings">${data}</script>
<script>${code}</script>
</body>
</html>
`;
}

function sourceOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
