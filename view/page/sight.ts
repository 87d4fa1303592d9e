/** Tells an element that it comes into sight, or nearly so: what is not need not be drawn. */
const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) listeners.get(target)?.(isIntersecting);
  },
  { rootMargin: '200px' },
);
const listeners = new WeakMap<Element, (isIn: boolean) => void>();

export class Sight {
  isIn = true;
  private element: Element | undefined;

  /** @param onCome called when it comes back into sight: it is to be drawn at once */
  constructor(private readonly onCome: () => void) {}

  readonly observe = (element: Element | null): void => {
    if (!element || element === this.element) return;
    this.end();
    this.element = element;
    listeners.set(element, (isIn) => {
      const comes = isIn && !this.isIn;
      this.isIn = isIn;
      if (comes) this.onCome();
    });
    observer.observe(element);
  };

  end(): void {
    if (this.element) observer.unobserve(this.element);
  }
}
