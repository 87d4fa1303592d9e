/** A partition as a lane: the whole log, the messages in sight, and on the same scale where each group stands. */
import { Component } from 'preact';
import type { Partition } from '../picture';
import { Bars, Cells, type CellsProps } from './cells';
import { lookOf } from './look';
import { Row } from './row';
import { left, place, type Scale } from './scale';
import { Sight } from './sight';
import type { Frame, LaneFrame, Store } from './store';
import { Term } from './tip';
import { count, rate as perSecond } from './words';

export interface LaneProps extends LaneFrame {
  id: string;
  partition: Partition;
  frame: Frame;
  store: Store;
}

export class Lane extends Component<LaneProps> {
  private readonly sight = new Sight(() => this.forceUpdate());

  /** What is out of sight need not be drawn each time. */
  shouldComponentUpdate(): boolean {
    return this.sight.isIn;
  }

  componentWillUnmount(): void {
    this.sight.end();
  }

  render({ id, partition, frame, scale, rate, messages, store }: LaneProps) {
    const { picture, shown, now, past, highest, old } = frame;
    const { start, end } = partition;
    const added = `◂ producer: ${old !== undefined ? 'not known now' : rate > 0 ? `${perSecond(rate)} a second` : 'nothing now'}`;
    const isAlone = id === Object.keys(picture.partitions)[0];
    return (
      <section class="lane" aria-labelledby={`lane-${id}`} ref={this.sight.observe}>
        <header class="lane-head">
          <h2 id={`lane-${id}`}>
            {isAlone ? <Term word="partition">Partition</Term> : 'Partition'} {id}
          </h2>
          <State partition={partition} brokers={Object.keys(picture.brokers).length} />
        </header>
        <div class="lane-row whole-row">
          <span class="lane-name quiet">whole log{end > start && `, ${count(start)}–${count(end - 1)}`}</span>
          <WholeLog id={id} partition={partition} groups={shown} scale={scale} />
          <span class="figures chart-head quiet">
            <Term word="lag">not committed</Term>
            <small>10 min, up to {count(highest)}</small>
          </span>
        </div>
        <div class="lane-row cells-row">
          <span class="lane-name">messages{scale.isBars && <small> one bar a second</small>}</span>
          <div class="track cells-track">
            {start > scale.first && (
              <div class="deleted" style={{ width: left(scale, start) }}>
                deleted
              </div>
            )}
            {scale.isBars ? (
              <Bars id={id} partition={partition} scale={scale} past={past} now={now} />
            ) : (
              <Cells
                id={id}
                partition={partition}
                groups={shown}
                messages={messages}
                scale={scale}
                tip={store.tip}
              />
            )}
            <Next end={end} scale={scale} added={added} />
          </div>
          <span class="figures narrow">{added}</span>
        </div>
        {shown.map(([groupId, group]) => (
          <Row
            key={groupId}
            groupId={groupId}
            id={id}
            group={group}
            partition={partition}
            scale={scale}
            frame={frame}
          />
        ))}
      </section>
    );
  }
}

/** What is not as it should be, and, of several brokers, who leads. */
function State({ partition, brokers }: { partition: Partition; brokers: number }) {
  const { leader, isr, replicas, stable } = partition;
  return (
    <>
      {leader < 0 ? (
        <span class="bad">no leader: nothing can be written or read</span>
      ) : (
        brokers > 1 && <span>led by broker {leader}</span>
      )}
      {(replicas.length > 1 || isr.length < replicas.length) && (
        <span class={isr.length < replicas.length ? 'bad' : ''}>
          in sync {isr.length} of {replicas.length}
        </span>
      )}
      {stable !== undefined && <span class="bad">readable up to {count(stable)}: a transaction is open</span>}
    </>
  );
}

/** Where the next message goes, and who adds it. */
function Next({ end, scale, added }: { end: number; scale: Scale; added: string }) {
  const cell = scale.isBars ? 0 : 100 / scale.span;
  const at = place(scale, end);
  if (at > 100) return <span class="beyond">{count(end - scale.first - scale.span)} more ▸</span>;
  return (
    <div class="next" style={{ left: left(scale, end) }}>
      {!scale.isBars && (
        <span class="next-cell" style={{ width: `${cell}cqw` }}>
          {end}
        </span>
      )}
      <span class="producer">{added}</span>
    </div>
  );
}

/** Where each group began, and how far it is, in the whole log; the frame is what is shown below. */
function WholeLog({ id, partition: { start, end }, groups, scale }: Omit<CellsProps, 'messages' | 'tip'>) {
  const length = Math.max(1, end - start);
  const x = (offset: number) => Math.max(0, Math.min(1000, ((offset - start) / length) * 1000));
  const from = x(Math.max(start, scale.first));
  const pitch = groups.length > 6 ? 2 : 5;
  return (
    <div class="track whole" style={{ height: `${Math.max(1, groups.length) * pitch + 4}px` }}>
      <svg viewBox={`0 0 1000 ${groups.length * pitch}`} preserveAspectRatio="none" aria-hidden="true">
        {groups.map(([groupId, { name, offsets }], index) => {
          const offset = offsets[id];
          if (!offset) return null;
          const y = (index + 0.5) * pitch;
          const from = x(offset.first?.offset ?? start);
          const began = offset.first ? `M${from} ${y - pitch / 2}v${pitch}` : '';
          return (
            <path
              key={groupId}
              class={lookOf(name).colour}
              d={`${began}M${from} ${y}H${x(offset.committed)}`}
            />
          );
        })}
      </svg>
      <div class="window" style={{ left: `${from / 10}%`, width: `${(1000 - from) / 10}%` }} />
    </div>
  );
}
