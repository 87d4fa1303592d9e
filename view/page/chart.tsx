/** How a group's lag in a partition went over ten minutes: on the same scales, of time and of messages, for all. */
import { Component } from 'preact';
import { PAST_MS } from '../change';
import { second } from './past';
import type { Frame } from './store';
import { count } from './words';

/** A line that goes up and down each second shows nothing: of so many ms, it shows the highest. */
const BUCKET_MS = 5000;
const WIDTH = 120;
const HEIGHT = 20;

interface ChartProps {
  groupId: string;
  id: string;
  frame: Frame;
}

/** It is read, not watched: once a second is enough. */
export class Chart extends Component<ChartProps> {
  shouldComponentUpdate({ frame, groupId }: ChartProps): boolean {
    const before = this.props.frame;
    return (
      second(frame.now) !== second(before.now) || frame.past !== before.past || groupId !== this.props.groupId
    );
  }

  render({ groupId, id, frame: { past, now, present, highest } }: ChartProps) {
    const x = (at: number) => (WIDTH * (1 - (present - at) / PAST_MS)).toFixed(1);
    const y = (lag: number) => (HEIGHT - 1 - (lag / highest) * (HEIGHT - 3)).toFixed(1);
    let most = 0;
    let bucket = { at: Number.NaN, lag: 0 };
    const points: { at: number; lag: number }[] = [];
    const bands: string[] = [];
    let rebalances: number | undefined;
    for (const { at, picture } of past.back(present)) {
      const group = picture.groups[groupId];
      if (!group) continue;
      const lag = group.offsets[id]?.lag ?? 0;
      most = Math.max(most, lag);
      const begin = Math.floor(at / BUCKET_MS) * BUCKET_MS;
      if (begin === bucket.at) bucket.lag = Math.max(bucket.lag, lag);
      else {
        bucket = { at: begin, lag };
        points.push(bucket);
      }
      if (group.rebalancing !== undefined || (rebalances !== undefined && rebalances > group.rebalances))
        bands.push(`M${x(at)} 0V${HEIGHT}`);
      rebalances = group.rebalances;
    }
    const path = points
      .reverse()
      .map(({ at, lag }, index) => `${index === 0 ? 'M' : 'L'}${x(at)} ${y(lag)}`)
      .join('');
    const label = `not committed: at most ${count(most)} in the last ten minutes; rebalanced ${bands.length > 0 ? 'meanwhile' : 'never'}`;
    return (
      <svg
        class="chart"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={label}
      >
        {bands.length > 0 && <path class="band" d={bands.join('')} />}
        <path class="lag-line" d={path} />
        {present - now > 500 && <path class="cursor" d={`M${x(now)} 0V${HEIGHT}`} />}
      </svg>
    );
  }
}
