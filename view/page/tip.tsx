/** What explains itself, on focus and on hover: one tip for the whole page, above everything else. */
import { Component, type ComponentChildren } from 'preact';
import { Details } from './cells';
import type { Frame, Store } from './store';
import { MEANINGS, type Word } from './words';

/** A word of the trade. Each stands on the page once. */
export function Term({ word, children }: { word: Word; children?: ComponentChildren }) {
  return (
    <button type="button" class="term" data-word={word} aria-describedby="tip">
      {children ?? word}
    </button>
  );
}

/** Has the store know what the pointer or the focus is on. */
export function followAttention(store: Store): void {
  const explain = ({ target }: Event) => {
    const element = target instanceof Element ? target.closest('[data-word], [data-offset]') : null;
    const focused = document.activeElement?.matches('[data-word]:focus-visible, [data-offset]:focus-visible')
      ? document.activeElement
      : null;
    const { word, partition = '', offset } = ((element ?? focused) as HTMLElement | null)?.dataset ?? {};
    if (word !== undefined) store.explain({ element: (element ?? focused) as Element, word });
    else if (offset !== undefined)
      store.explain({ element: (element ?? focused) as Element, partition, offset: Number(offset) });
    else store.explain(undefined);
  };
  for (const type of ['pointerover', 'focusin']) document.addEventListener(type, explain);
  document.addEventListener('focusout', () => store.explain(undefined));
  document.addEventListener('pointerleave', () => store.explain(undefined));
  document.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape') store.explain(undefined);
  });
}

/** It is in the browser's top layer: nothing covers it or cuts it off. */
export class TipLayer extends Component<{ store: Store; frame: Frame }> {
  private element: HTMLElement | null = null;

  componentDidMount(): void {
    this.element?.showPopover();
  }

  render({ store: { tip }, frame }: { store: Store; frame: Frame }) {
    const box = tip?.element.isConnected ? tip.element.getBoundingClientRect() : undefined;
    const isRight = box !== undefined && box.left + box.width / 2 > innerWidth / 2;
    const isBelow = box !== undefined && box.bottom > innerHeight * 0.6;
    const style = box && {
      [isRight ? '--right' : '--left']: `${Math.max(8, isRight ? innerWidth - box.right : box.left)}px`,
      [isBelow ? '--bottom' : '--top']: `${isBelow ? innerHeight - box.top + 6 : box.bottom + 6}px`,
    };
    return (
      <div
        id="tip"
        class={`tip ${box ? '' : 'is-empty'}`}
        role="tooltip"
        popover="manual"
        style={style ?? {}}
        ref={(element: HTMLElement | null) => {
          this.element = element;
        }}
      >
        {tip && 'word' in tip && MEANINGS[tip.word as Word]}
        {tip && 'partition' in tip && (
          <Details
            offset={tip.offset}
            id={tip.partition}
            messages={frame.lanes[tip.partition]?.messages ?? []}
            groups={frame.shown}
            now={frame.now}
          />
        )}
      </div>
    );
  }
}
