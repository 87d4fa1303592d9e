/** The top: which topic, how fresh what is seen is, and which moment. */
import { age } from '../../lib/message/age';
import type { Frame, Store } from './store';
import { Time } from './time';
import { clock } from './words';

export function Head({ frame, store }: { frame: Frame; store: Store }) {
  const { topics = [], groupsLeftOut = 0 } = store.known ?? {};
  const { topic } = frame.picture;
  return (
    <header class="head">
      <h1>Kafka, {store.source.player ? 'recorded' : 'live'}</h1>
      <label>
        <span class="visually-hidden">topic</span>
        <select value={topic} onChange={({ currentTarget }) => store.chooseTopic(currentTarget.value)}>
          {[...new Set([topic, ...topics])].map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <Freshness frame={frame} store={store} />
      {groupsLeftOut > 0 && <span class="quiet">{groupsLeftOut} groups are left out</span>}
      <Time frame={frame} store={store} />
    </header>
  );
}

function Freshness({ frame: { old, present, picture }, store }: { frame: Frame; store: Store }) {
  const { connection, known, lookedAt, source } = store;
  if (old !== undefined) {
    const silence = known?.picture.silence;
    const isKafka = connection === 'open' && silence && silence.until === undefined;
    const who =
      connection === 'lost'
        ? 'The live view does not answer'
        : isKafka
          ? `Kafka has not answered since ${clock(present - old)}`
          : undefined;
    return (
      <strong class="fresh bad" role="status">
        {who && `${who}; `}what you see is {age(old)} old
        {isKafka && silence.refusal && `. ${silence.refusal}`}
      </strong>
    );
  }
  if (lookedAt !== undefined)
    return (
      <span class="fresh warn" role="status">
        looking back
      </span>
    );
  return (
    <span class="fresh good" role="status">
      {source.player ? 'a recording' : picture.missing === undefined ? 'live' : 'waiting for the producer'}
    </span>
  );
}
