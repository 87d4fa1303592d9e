/** To be loaded before a service: at each SIGWINCH (which services have no use for) its system clock jumps by CLOCK_JUMP_MS, on or back. */
const { now } = Date;
let aheadMs = 0;

class JumpingDate extends Date {
  constructor(...args: [] | [number]) {
    super(args.length === 0 ? now() + aheadMs : args[0]);
  }

  static override now(): number {
    return now() + aheadMs;
  }
}

globalThis.Date = JumpingDate as DateConstructor;
process.on('SIGWINCH', () => {
  aheadMs += Number(process.env.CLOCK_JUMP_MS);
});
