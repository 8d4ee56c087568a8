// person.mjs: one user with a stock matrix-js-sdk client, and a record of
// everything that went over the wire, to be judged without the SDK's help.
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import loglevel from "loglevel";
import * as sdk from "matrix-js-sdk";
import { CryptoEvent } from "matrix-js-sdk/lib/crypto-api/index.js";

const WAIT_MS = 30_000;

// Parts of the SDK log through loggers of the whole process, in vain here.
for (const logger of Object.values(loglevel.getLoggers())) {
  logger.methodFactory = () => () => {};
  logger.rebuild();
}

// The rest of it logs through this; a failing test prints what was collected.
class CollectingLogger {
  constructor(prefix, lines = []) {
    this.prefix = prefix;
    this.lines = lines;
  }
  #add(level, parts) {
    this.lines.push(`${level} ${this.prefix} ${parts.map(String).join(" ")}`);
  }
  getChild(name) {
    return new CollectingLogger(`${this.prefix}/${name}`, this.lines);
  }
  trace() {}
  debug() {}
  info(...parts) {
    this.#add("info", parts);
  }
  warn(...parts) {
    this.#add("warn", parts);
  }
  error(...parts) {
    this.#add("error", parts);
  }
}

export class Person {
  // {baseUrl, name, and what a login answered: user_id, device_id, access_token};
  // `options` are for the SDK.
  constructor(baseUrl, name, session, options = {}) {
    this.name = name;
    this.baseUrl = baseUrl;
    this.session = session;
    this.requests = []; // {method, path, status, errcode, error}
    this.answers = new EventEmitter(); // "answer" after each answered request
    this.refusals = []; // those with a status of 400 or more
    this.timelines = new Map(); // room id -> event ids as /sync gave them
    this.gaps = new Set(); // rooms in which /sync left events out later on
    this.logger = new CollectingLogger(name);
    this.client = sdk.createClient({
      baseUrl,
      userId: session?.user_id,
      deviceId: session?.device_id,
      accessToken: session?.access_token,
      fetchFn: (input, init) => this.#fetch(input, init),
      logger: this.logger,
      timelineSupport: true,
      disableVoip: true,
      ...options,
    });
  }

  get userId() {
    return this.session.user_id;
  }

  async #fetch(input, init) {
    const url = new URL(input);
    const entry = { method: init?.method ?? "GET", path: url.pathname + url.search };
    this.requests.push(entry);
    let response;
    try {
      response = await fetch(input, init);
    } catch (error) {
      entry.error = String(error.cause ?? error);
      throw error;
    }
    entry.status = response.status;
    if (response.status >= 400) {
      const body = await response.clone().json().catch(() => ({}));
      entry.errcode = body.errcode;
      this.refusals.push(entry);
    } else if (url.pathname.endsWith("/sync")) {
      this.#recordSync(await response.clone().json());
    }
    this.answers.emit("answer");
    return response;
  }

  #recordSync(body) {
    for (const section of ["join", "leave"]) {
      for (const [roomId, room] of Object.entries(body.rooms?.[section] ?? {})) {
        const timeline = this.timelines.get(roomId);
        const seen = timeline ?? [];
        if (timeline === undefined) this.timelines.set(roomId, seen);
        else if (room.timeline?.limited) this.gaps.add(roomId);
        for (const event of room.timeline?.events ?? []) seen.push(event.event_id);
      }
    }
  }

  // Starts the client as an application would and waits until it is ready.
  async start(options = {}) {
    const ready = this.waitForSyncState("PREPARED");
    await this.client.startClient({
      initialSyncLimit: 20,
      lazyLoadMembers: true,
      pendingEventOrdering: sdk.PendingEventOrdering.Detached,
      threadSupport: true,
      ...options,
    });
    await ready;
  }

  stop() {
    this.client.stopClient();
    this.client.removeAllListeners();
  }

  waitForSyncState(wanted) {
    return this.waitFor(
      `the sync state ${wanted}`,
      () => this.client.getSyncState() === wanted,
    );
  }

  // Resolves with what `predicate` gives once that is truthy; asked again after
  // every answer of /sync.
  waitFor(what, predicate) {
    return this.when(what, this.client, sdk.ClientEvent.Sync, predicate);
  }

  // Resolves once such a request of this client was answered with 200.
  waitForAnswer(method, path) {
    return this.when(`${method} ${path}`, this.answers, "answer", () =>
      this.requests.find(
        (entry) =>
          entry.method === method && path.test(entry.path) && entry.status === 200,
      ),
    );
  }

  // Resolves with what `predicate` gives once that is truthy; asked now and after
  // every such event of an emitter.
  async when(what, emitter, event, predicate) {
    const now = predicate();
    if (now) return now;
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        emitter.off(event, ask);
      };
      const ask = () => {
        let value;
        try {
          value = predicate();
        } catch (error) {
          done();
          reject(error);
          return;
        }
        if (value) {
          done();
          resolve(value);
        }
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`${this.name} waited ${WAIT_MS} ms in vain for ${what}`));
      }, WAIT_MS);
      emitter.on(event, ask);
    });
  }

  // The same for a question that takes time itself: `ask` is asked now, after
  // every answer of the server and after every event of the crypto.
  async until(what, ask) {
    let wake;
    const onNews = () => wake?.();
    const sources = [
      [this.answers, "answer"],
      [this.client, sdk.ClientEvent.Sync],
      ...Object.values(CryptoEvent).map((event) => [this.client, event]),
    ];
    for (const [emitter, event] of sources) emitter.on(event, onNews);
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${this.name} waited ${WAIT_MS} ms in vain for ${what}`)),
        WAIT_MS,
      );
    });
    try {
      for (;;) {
        const news = new Promise((resolve) => (wake = resolve));
        const value = await ask();
        if (value) return value;
        await Promise.race([news, late]);
      }
    } finally {
      clearTimeout(timer);
      for (const [emitter, event] of sources) emitter.off(event, onNews);
    }
  }

  room(roomId) {
    const room = this.client.getRoom(roomId);
    assert.ok(room, `${this.name} does not know the room ${roomId}`);
    return room;
  }

  // The live timeline's events that satisfy `wanted`.
  timeline(roomId, wanted = () => true) {
    return this.room(roomId).getLiveTimeline().getEvents().filter(wanted);
  }

  // The events of a room from the newest back to that one, oldest first.  Pages
  // through what /sync left out, as an application does when one scrolls up.
  async historyBackTo(roomId, eventId) {
    const timeline = this.room(roomId).getLiveTimeline();
    for (let page = 0; page < 100; page++) {
      const events = [];
      for (let part = timeline; part; ) {
        events.unshift(...part.getEvents());
        part = part.getNeighbouringTimeline(sdk.Direction.Backward);
      }
      const first = events.findIndex((event) => event.getId() === eventId);
      if (first >= 0) return events.slice(first);
      const more = await this.client.paginateEventTimeline(timeline, {
        backwards: true,
        limit: 30,
      });
      assert.ok(more, `${this.name} paged to the start without ${eventId}`);
    }
    throw new Error(`${this.name} found no end of the pages`);
  }

  // Waits until the event is in the live timeline under its own id.
  waitForEvent(roomId, eventId) {
    return this.waitFor(`the event ${eventId}`, () =>
      this.client
        .getRoom(roomId)
        ?.getLiveTimeline()
        .getEvents()
        .find((event) => event.getId() === eventId && !event.isSending()),
    );
  }

  // Raw request with this person's token; {status, body}.
  async raw(method, path, body, token = this.session?.access_token) {
    const response = await fetch(this.baseUrl + path, {
      method,
      headers: {
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  }
}

// Fails unless `promise` is refused with that status and errcode (a string, or
// a pattern where servers differ within the specification).
export async function refused(promise, status, errcode) {
  let answer;
  try {
    answer = await promise;
  } catch (error) {
    if (errcode instanceof RegExp) assert.match(String(error.errcode), errcode);
    else assert.equal(error.errcode, errcode, `instead: ${error}`);
    assert.equal(error.httpStatus, status, `instead: ${error}`);
    return error;
  }
  assert.fail(`expected ${status} ${errcode}, got ${JSON.stringify(answer)}`);
}
