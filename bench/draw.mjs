// Draws a specification of Vega-Lite (standard input) as SVG (standard output). A program of its own: Vega is a module
// of the kind that the bench's CommonJS can't load.
import { text } from 'node:stream/consumers';
import { logger as createLogger, Error as errorsOnly, parse, View } from 'vega';
import { compile } from 'vega-lite';

const logger = createLogger(errorsOnly);
const { spec } = compile(JSON.parse(await text(process.stdin)), { logger });
process.stdout.write(await new View(parse(spec), { renderer: 'none' }).toSVG());
