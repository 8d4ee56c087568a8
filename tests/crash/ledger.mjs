// ledger.mjs: what the server has acknowledged, and is held to after a crash.
import { Violation } from "./http.mjs";

// A repeatable source of numbers (mulberry32).
export class Dice {
  constructor(seed) {
    this.state = seed >>> 0;
  }
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
  below(n) {
    return Math.floor(this.next() * n);
  }
  between(low, high) {
    return low + this.below(high - low + 1);
  }
  pick(list) {
    return list[this.below(list.length)];
  }
}

// A value that one worker overwrites again and again.  After a crash it is what
// was acknowledged last, or what was being written.
export class Register {
  constructor(name, initial, read) {
    this.name = name;
    this.acknowledged = initial;
    this.unanswered = [];
    this.read = read; // async () => value
    this.dirty = false;
  }

  // Runs `send`, which writes `value`.
  async write(value, send) {
    this.dirty = true;
    this.unanswered.push(value);
    await send();
    this.acknowledged = value;
    this.unanswered = [];
  }

  async verify() {
    const value = await this.read();
    if (value !== this.acknowledged && !this.unanswered.includes(value)) {
      throw new Violation(
        `${this.name} is ${JSON.stringify(value)}; acknowledged was ` +
          `${JSON.stringify(this.acknowledged)}, unanswered ` +
          JSON.stringify(this.unanswered),
      );
    }
    this.acknowledged = value;
    this.unanswered = [];
    this.dirty = false;
  }
}

// One room and all that was sent into it.
export class RoomLedger {
  constructor(id) {
    this.id = id;
    this.events = new Map(); // acknowledged event id -> entry
    this.bodies = new Map(); // body -> entry, of every message ever attempted
    this.unverified = new Set(); // acknowledged event ids since the last check
    this.redacted = new Set(); // ids whose redaction was acknowledged
    this.maybeRedacted = new Set(); // ids whose redaction had no answer
    this.boundary = null; // newest event of the last check
  }

  attempt(entry) {
    if (entry.body !== undefined) this.bodies.set(entry.body, entry);
  }

  acknowledge(entry, eventId) {
    if (typeof eventId !== "string" || !eventId.startsWith("$")) {
      throw new Violation(`${entry.what}: event id ${JSON.stringify(eventId)}`);
    }
    const other = this.events.get(eventId);
    if (other !== undefined && other !== entry) {
      throw new Violation(`${eventId} was given to ${other.what} and to ${entry.what}`);
    }
    entry.eventId = eventId;
    this.events.set(eventId, entry);
    this.unverified.add(eventId);
  }

  // Judges events, oldest first, that lie next to each other in the room.
  judge(events, where) {
    const ids = new Set();
    const bodies = new Map();
    const latest = new Map(); // worker -> number of its last message
    for (const event of events) {
      const id = event.event_id;
      if (ids.has(id)) throw new Violation(`${id} is twice in ${where}`);
      ids.add(id);
      this.#judgeContent(event, where);
      const body = event.content?.body;
      if (body === undefined) continue;
      if (bodies.has(body)) {
        throw new Violation(
          `"${body}" was sent once and is in ${where} as ${bodies.get(body)} and ${id}`,
        );
      }
      bodies.set(body, id);
      const entry = this.bodies.get(body);
      if (entry === undefined) {
        throw new Violation(`nobody sent "${body}" (${id}), which is in ${where}`);
      }
      if (entry.eventId !== undefined && entry.eventId !== id) {
        throw new Violation(`"${body}" is ${id} in ${where}, but ${entry.eventId} was answered`);
      }
      if (entry.number <= (latest.get(entry.worker) ?? -1)) {
        throw new Violation(`"${body}" is out of the order of its sender in ${where}`);
      }
      latest.set(entry.worker, entry.number);
    }
    return ids;
  }

  #judgeContent(event, where) {
    const id = event.event_id;
    const empty = Object.keys(event.content).length === 0;
    if (this.redacted.has(id) && !empty) {
      throw new Violation(`${id} was redacted and has its content in ${where}`);
    }
    const entry = this.events.get(id);
    if (entry?.body === undefined || event.content.body === entry.body) return;
    if (empty && (this.redacted.has(id) || this.maybeRedacted.has(id))) return;
    throw new Violation(`${id} has changed: ${JSON.stringify(event.content)} in ${where}`);
  }
}
