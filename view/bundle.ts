/**
 * The page for the browser: its files, and in main.js all that its code imports. Run from source, the server bundles it
 * as it starts; for the image it is done once:
 *
 *     npm run page     writes dist/view/page, beside the compiled server
 */
import { join, relative } from 'node:path';
import { type BuildOptions, buildSync } from 'esbuild';

const PAGE = join(__dirname, 'page');
const COMPILED = join(__dirname, '..', 'dist', 'view', 'page');

const OPTIONS = {
  entryPoints: ['index.html', 'icon.svg', 'style.css', 'main.ts'].map((name) => join(PAGE, name)),
  loader: { '.html': 'copy', '.svg': 'copy' },
  outdir: COMPILED,
  bundle: true,
  minify: true,
} satisfies BuildOptions;

/** The files by name. */
export function bundlePage(): Map<string, Buffer> {
  const { outputFiles } = buildSync({ ...OPTIONS, write: false });
  return new Map(outputFiles.map(({ path, contents }) => [relative(COMPILED, path), Buffer.from(contents)]));
}

/** What the page of the recordings is made of. */
export function bundleReplay(): { script: string; style: string; icon: string } {
  const entryPoints = ['replay.tsx', 'style.css', 'icon.svg'].map((name) => join(PAGE, name));
  const [script, style, icon] = buildSync({ ...OPTIONS, entryPoints, write: false }).outputFiles;
  return { script: script?.text ?? '', style: style?.text ?? '', icon: icon?.text ?? '' };
}

if (require.main === module) buildSync(OPTIONS);
