/**
 * `node -r ./compiled FILE.ts` runs TypeScript, and keeps what it has compiled in .compiled/: what runs often starts in
 * a tenth of the time that ts-node takes. Types are not looked at: that is `npm run types`.
 */
const { createHash } = require('node:crypto');
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { dirname, join, relative } = require('node:path');

const KEPT = join(__dirname, '.compiled');
const CONFIG = join(__dirname, 'tsconfig.json');
/** All but the source that makes up what is compiled of it. */
const MAKE = [CONFIG, __filename, require.resolve('typescript/package.json')].map((file) =>
  readFileSync(file),
);

// Errors name the lines of the source.
process.setSourceMapsEnabled(true);

require.extensions['.ts'] = (module, file) => {
  const source = readFileSync(file, 'utf8');
  // Not by its time, which a copy may bring along: what is kept of another source is never run.
  const mark = `/*${createHash('sha1').update(Buffer.concat(MAKE)).update(source).digest('hex')}*/`;
  const output = join(KEPT, `${relative(__dirname, file)}.js`);
  module._compile(kept(output, mark) ?? compile(source, file, output, mark), file);
};

function kept(output, mark) {
  try {
    const code = readFileSync(output, 'utf8');
    if (code.startsWith(mark)) return code;
  } catch {
    // Not compiled yet.
  }
}

function compile(source, file, output, mark) {
  const ts = require('typescript');
  const { config } = ts.readConfigFile(CONFIG, ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, __dirname);
  // Beside its source, for the map between the two.
  const compilerOptions = { ...options, rootDir: undefined, outDir: undefined, inlineSourceMap: true };
  const code = mark + ts.transpileModule(source, { fileName: file, compilerOptions }).outputText;
  mkdirSync(dirname(output), { recursive: true });
  // Into a file of this process first: whoever reads the other one sees it whole.
  const own = `${output}.${process.pid}`;
  writeFileSync(own, code);
  renameSync(own, output);
  return code;
}
