/** What happened, told as it goes on: one happening for each incident, from rest to rest. */
import { escapeControls } from '../lib/message/message';
import { beginsAnew, type Subject, subjectsOf, told } from './happened';
import type { Happening, Picture } from './picture';

/** What has not changed for so long, in ms, is over. */
const SETTLED_MS = 5000;
/** So many happenings are kept. */
const HAPPENINGS = 500;

interface Incident {
  /** How it was when it was at rest last. */
  before: Picture;
  happening: Happening;
  changedAt: number;
  isOver: boolean;
}

export class Story {
  /** In the order in which they began. */
  readonly happenings: Happening[] = [];
  private last: { picture: Picture; at: number } | undefined;
  /** What happens now, by subject. */
  private readonly incidents = new Map<Subject, Incident>();
  private count = 0;

  /** Those that begin or go on with this picture. What is there at the first look has not just happened. */
  go(picture: Picture, now: number): Happening[] {
    const { last } = this;
    this.last = { picture, at: now };
    if (!last) return [];
    for (const [subject, { changedAt, isOver }] of this.incidents)
      if (isOver && (now - changedAt > SETTLED_MS || beginsAnew(last.picture, picture, subject)))
        this.incidents.delete(subject);
    const news: Happening[] = [];
    for (const subject of subjectsOf(last.picture, picture)) {
      const incident = this.incidents.get(subject);
      const before = incident?.before ?? last.picture;
      const whole = told(before, picture, subject);
      if (incident) incident.isOver = whole?.isOver ?? true;
      if (whole === undefined || escapeControls(whole.text) === incident?.happening.text) continue;
      const { text, kind, at = now, isOver } = whole;
      const happening: Happening = {
        id: incident?.happening.id ?? ++this.count,
        at: incident?.happening.at ?? Math.min(now, kind === 'kafka' ? at : Math.max(at, last.at)),
        kind,
        text: escapeControls(text),
        ...(subject.startsWith('group ') && { group: subject.slice('group '.length) }),
      };
      this.keep(happening);
      news.push(happening);
      this.incidents.set(subject, { before, happening, changedAt: now, isOver });
    }
    return news;
  }

  private keep(happening: Happening): void {
    const index = this.happenings.findLastIndex(({ id }) => id === happening.id);
    if (index >= 0) this.happenings[index] = happening;
    else this.happenings.push(happening);
    if (this.happenings.length > HAPPENINGS) this.happenings.shift();
  }
}
