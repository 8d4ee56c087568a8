// observer.mjs: a device that follows everything through incremental /sync with
// one token after the other, across every crash, and counts what it is given.
import { NoAnswer, Violation, v3 } from "./http.mjs";

const LONG_POLL_MS = 30_000;

export class Observer {
  #running = null;
  #stopping = false;

  constructor(http, user, token, timelineLimit) {
    this.http = http;
    this.user = user;
    this.token = token;
    this.since = undefined;
    this.rooms = new Map(); // room id -> Map(event id -> times seen)
    this.toDevice = new Map(); // body -> times seen
    this.lastToDevice = new Map(); // worker -> number of its newest message
    this.filter = JSON.stringify({
      presence: { not_types: ["*"] },
      room: { timeline: { limit: timelineLimit } },
    });
    this.gaps = []; // [room id, prev_batch, the token before], still to fill
    this.limited = 0; // how many there were
  }

  // Only watched rooms count: after leaving and joining again a server may
  // rightly repeat what it sent before.
  watch(roomId) {
    this.rooms.set(roomId, new Map());
  }

  unwatch(roomId) {
    this.rooms.delete(roomId);
  }

  // Follows until stop() or until the server does not answer.
  start() {
    this.#stopping = false;
    this.#running = (async () => {
      while (!this.#stopping) {
        try {
          await this.#once(LONG_POLL_MS);
        } catch (error) {
          if (error instanceof NoAnswer) return;
          throw error;
        }
      }
    })();
    this.#running.catch(() => {}); // reported by ended()
  }

  // Resolves when following has ended; rejects with what it found wrong.
  ended() {
    this.#stopping = true;
    return this.#running;
  }

  // Syncs until every wanted event was seen; then once more, to see that nothing
  // comes twice.  `wanted` is a Map(room id -> Set(event id)).
  async catchUp(wanted, wantedToDevice, deadline) {
    const missing = () => {
      const list = [];
      for (const [roomId, ids] of wanted) {
        const seen = this.rooms.get(roomId);
        if (seen === undefined) continue;
        for (const id of ids) if (!seen.has(id)) list.push(`${id} of ${roomId}`);
      }
      for (const body of wantedToDevice) {
        if (!this.toDevice.has(body)) list.push(`to-device "${body}"`);
      }
      return list;
    };
    while (missing().length > 0) {
      if (performance.now() > deadline) {
        const list = missing();
        throw new Violation(
          `/sync of ${this.user} (since ${this.since}) never gave ${list.length} ` +
            `acknowledged: ${list.slice(0, 5).join(", ")}`,
        );
      }
      await this.#once(200);
    }
    await this.#once(0);
  }

  async #once(timeout) {
    await this.#fillGaps();
    const from = this.since;
    const answer = await this.http.call(
      "GET",
      v3(["sync"], { since: from, timeout, filter: this.filter }),
      { token: this.token },
    );
    const gaps = [];
    for (const [roomId, part] of Object.entries(answer.rooms?.join ?? {})) {
      const seen = this.rooms.get(roomId);
      if (seen === undefined) continue;
      for (const event of part.timeline?.events ?? []) {
        const times = (seen.get(event.event_id) ?? 0) + 1;
        if (times > 1) {
          throw new Violation(
            `/sync gave ${event.event_id} of ${roomId} twice to ${this.user}, ` +
              `the second time since ${from}`,
          );
        }
        seen.set(event.event_id, times);
      }
      if (part.timeline?.limited) gaps.push([roomId, part.timeline.prev_batch, from]);
    }
    for (const { type, content } of answer.to_device?.events ?? []) {
      if (type !== "org.matrixcore.crash") continue;
      if (this.toDevice.has(content.body)) {
        throw new Violation(`to-device "${content.body}" came twice, since ${from}`);
      }
      this.toDevice.set(content.body, 1);
      const [sender, number] = content.body.split(".");
      if (Number(number) < (this.lastToDevice.get(sender) ?? -1)) {
        throw new Violation(`to-device "${content.body}" came out of order, since ${from}`);
      }
      this.lastToDevice.set(sender, Number(number));
    }
    this.since = answer.next_batch;
    this.gaps.push(...gaps);
    this.limited += gaps.length;
    await this.#fillGaps();
  }

  // Pages through what limited timelines left out.  A crash in between leaves
  // the rest for the next time.
  async #fillGaps() {
    while (this.gaps.length > 0) {
      await this.#fill(...this.gaps[0]);
      this.gaps.shift();
    }
  }

  async #fill(roomId, prevBatch, to) {
    const seen = this.rooms.get(roomId);
    let from = prevBatch;
    for (let page = 0; page < 1000 && seen !== undefined; page++) {
      const answer = await this.http.call(
        "GET",
        v3(["rooms", roomId, "messages"], { dir: "b", from, to, limit: 100 }),
        { token: this.token },
      );
      for (const event of answer.chunk) {
        if (!seen.has(event.event_id)) seen.set(event.event_id, 1);
      }
      if (answer.end === undefined || answer.chunk.length === 0) return;
      from = answer.end;
    }
  }
}
