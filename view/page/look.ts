/** A colour and a shape of its own for each group: of its name, so that they are the same in each browser, at any time. */
export interface Look {
  /** The name of a class. */
  colour: string;
  shape: string;
}

/** Those of the demo have the colour that their lines have in the log. */
const IN_THE_LOG: Record<string, Look> = {
  consumer_from_oldest: { colour: 'colour-magenta', shape: '●' },
  consumer_from_newest: { colour: 'colour-blue', shape: '■' },
  consumer_batch_message: { colour: 'colour-cyan', shape: '▲' },
};
const COLOURS = ['orange', 'green', 'red', 'violet', 'olive', 'brown'];
const SHAPES = ['◆', '▼', '★', '✚', '⬟'];

export function lookOf(name: string): Look {
  const base = name.replace(/-[0-9a-f]{8}$/, '');
  const known = IN_THE_LOG[base];
  if (known) return known;
  let hash = 7;
  for (const character of base) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003;
  const colour = COLOURS[hash % COLOURS.length] as string;
  return { colour: `colour-${colour}`, shape: SHAPES[Math.floor(hash / 7) % SHAPES.length] as string };
}
