/** How often a connection looks for requests that were not answered in time, in ms. */
const TIMEOUT_CHECK_MS = 1000;

/**
 * kafkajs keeps two timers for each connection that never rest. One goes off every millisecond, even with nothing to
 * send: its delay is computed as a negative number, of which Node 24 warns besides
 * (https://github.com/tulios/kafkajs/issues/1751); it is needed only while requests wait their turn. The other looks
 * ten times a second for requests to give up, whose time-out is in seconds. Together they cost an idle process more
 * than its work does.
 */
export function mendTimers(): void {
  const queue = require('kafkajs/src/network/requestQueue').prototype;
  queue.scheduleCheckPendingRequests = function schedule(this: RequestQueue) {
    if (this.throttleCheckTimeoutId || this.pending.length === 0) return;
    this.throttleCheckTimeoutId = setTimeout(
      () => {
        this.throttleCheckTimeoutId = null;
        this.checkPendingRequests();
      },
      Math.max(this.throttledUntil - Date.now(), 10),
    );
  };
  queue.scheduleRequestTimeoutCheck = function schedule(this: RequestQueue) {
    this.destroy();
    this.requestTimeoutIntervalId = setInterval(() => {
      for (const request of this.inflight.values())
        if (Date.now() - request.sentAt > request.requestTimeout) request.timeoutRequest();
      if (!this.isConnected()) this.destroy();
    }, TIMEOUT_CHECK_MS);
  };
}

interface RequestQueue {
  pending: unknown[];
  inflight: Map<number, { sentAt: number; requestTimeout: number; timeoutRequest(): void }>;
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  requestTimeoutIntervalId: NodeJS.Timeout;
  isConnected(): boolean;
  checkPendingRequests(): void;
  /** Ends the check for time-outs. */
  destroy(): void;
}
