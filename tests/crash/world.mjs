// world.mjs: the users, rooms and devices of one run, and what to check of them.
import { Violation, v3 } from "./http.mjs";
import { RoomLedger } from "./ledger.mjs";
import { Observer } from "./observer.mjs";
import { PASSWORD, Worker, operations } from "./operations.mjs";

const ROOMS = 4;
const LOBBIES = 3;
const CATCH_UP_MS = 120_000;

// How often each operation is drawn, and what must exist for it to be drawn.
const WEIGHTS = [
  [operations.sendMessage, 60],
  [operations.redact, 4],
  [operations.setState, 10],
  [operations.setAccountData, 10],
  [operations.setDisplayName, 2],
  [operations.changeMembership, 6],
  [operations.createRoom, 2],
  [operations.login, 1],
  [operations.logout, 1],
  [operations.storeFilter, 2],
  [operations.rotateToken, 1, "refresh"],
  [operations.sendToDevice, 6, "sendToDevice"],
  [operations.uploadKeys, 4, "keys"],
  [operations.claimKey, 12, "keys"],
];

export class World {
  constructor(http, { workers, observers }) {
    this.http = http;
    this.workerCount = workers;
    this.observerCount = observers;
    this.workers = [];
    this.observers = [];
    this.rooms = [];
    this.lobbies = [];
    this.generation = 0;
    this.features = [];
    this.attempts = 0; // operations begun
    this.answered = 0; // of them with an answer
    this.unanswered = 0; // cut off by a kill
    this.repeated = 0; // of those, repeated successfully after the restart
    this.events = 0; // acknowledged events that were verified
    this.onAnswer = () => {};
    this.cards = [];
  }

  deck() {
    return this.cards;
  }

  acknowledged() {
    this.answered++;
    this.onAnswer();
  }

  async #register(name) {
    const request = { username: name, password: PASSWORD };
    const path = v3(["register"]);
    const { status, body } = await this.http.request("POST", path, { body: request });
    if (status !== 401 || !body.flows?.some((f) => f.stages.join() === "m.login.dummy")) {
      throw new Violation(`POST ${path}: ${status} ${JSON.stringify(body)}`);
    }
    return this.http.call("POST", path, {
      body: { ...request, auth: { type: "m.login.dummy", session: body.session } },
    });
  }

  login(user, more = {}) {
    return this.http.call("POST", v3(["login"]), {
      body: {
        type: "m.login.password",
        identifier: { type: "m.id.user", user: user.id },
        password: PASSWORD,
        ...more,
      },
    });
  }

  async setUp(without) {
    for (let i = 0; i < this.workerCount; i++) {
      const session = await this.#register(`worker${i}`);
      const worker = new Worker(this, i, { id: session.user_id }, session);
      await operations.setDisplayName(worker);
      this.workers.push(worker);
    }
    for (let i = 0; i < this.observerCount; i++) {
      const session = await this.#register(`observer${i}`);
      // Some see every event in a timeline, others are sent through the gaps.
      const limit = i % 2 === 0 ? 100 : 4;
      const observer = new Observer(this.http, session.user_id, session.access_token, limit);
      observer.deviceId = session.device_id;
      observer.expected = new Set();
      this.observers.push(observer);
    }
    for (let i = 0; i < LOBBIES; i++) {
      const { room_id: id } = await this.http.call("POST", v3(["createRoom"]), {
        token: this.observers[0].token, // stays, so that the room is never empty
        body: { preset: "public_chat", name: `lobby ${i}` },
      });
      this.lobbies.push(id);
    }
    const features = (await this.#probe()).filter((name) => !without.includes(name));
    this.features = features;
    for (const [operation, weight, feature] of WEIGHTS) {
      if (feature !== undefined && !features.includes(feature)) continue;
      for (let i = 0; i < weight; i++) this.cards.push(operation);
    }
    return features;
  }

  // Which optional parts the server has: what it does not know it answers with
  // 404 M_UNRECOGNIZED.
  async #probe() {
    const { token, user, deviceId } = this.workers[0];
    const has = async (method, parts, body) => {
      const answer = await this.http.request(method, v3(parts), { token, body });
      return answer.status === 200;
    };
    const features = [];
    if (await has("PUT", ["sendToDevice", "org.matrixcore.probe", "probe"], { messages: {} })) {
      features.push("sendToDevice");
    }
    if (
      (await has("POST", ["keys", "claim"], {
        one_time_keys: { [user.id]: { [deviceId]: "curve25519" } },
      })) &&
      (await has("POST", ["keys", "upload"], { one_time_keys: {} }))
    ) {
      features.push("keys");
    }
    const session = await this.login(user, { refresh_token: true });
    if (typeof session.refresh_token === "string") features.push("refresh");
    return features;
  }

  // New rooms, so that checks do not grow with the length of the run.
  async newRooms() {
    const [owner, ...others] = [...this.workers, ...this.observers];
    const retired = this.rooms;
    this.generation++;
    this.rooms = [];
    for (let i = 0; i < ROOMS; i++) {
      const { room_id: id } = await this.http.call("POST", v3(["createRoom"]), {
        token: owner.token,
        body: {
          preset: "public_chat",
          name: `room ${i} of generation ${this.generation}`,
          power_level_content_override: { state_default: 0 },
        },
      });
      this.rooms.push(new RoomLedger(id));
      for (const observer of this.observers) observer.watch(id);
    }
    const each = (list, visit) => Promise.all(list.map(visit));
    const move = (room, what) =>
      each(what === "join" ? others : [owner, ...others], ({ token }) =>
        this.http.call("POST", v3(["rooms", room.id, what]), { token, body: {} }),
      );
    for (const room of this.rooms) await move(room, "join");
    for (const room of retired) {
      for (const observer of this.observers) observer.unwatch(room.id);
      for (const { registers } of this.workers) {
        for (const name of registers.keys()) {
          if (name.includes(room.id)) registers.delete(name);
        }
      }
      await move(room, "leave");
    }
    for (const worker of this.workers) {
      worker.mine = [];
      worker.recent = [];
    }
  }

  // Checks all that was acknowledged since the last time; with `everything`, all
  // of the current rooms from their first event on.
  async verify(everything) {
    const wanted = new Map(this.rooms.map((room) => [room.id, room.unverified]));
    const deadline = performance.now() + CATCH_UP_MS;
    await Promise.all([
      ...this.observers.map((observer) =>
        observer.catchUp(wanted, observer.expected, deadline),
      ),
      ...this.rooms.map((room) => this.#verifyRoom(room)),
      ...this.workers.map((worker) => worker.verify(everything)),
    ]);
    for (const observer of this.observers) {
      observer.expected.clear();
      observer.toDevice.clear();
    }
    for (const room of this.rooms) {
      this.events += room.unverified.size;
      room.unverified.clear();
      if (everything) await this.#verifyFromTheStart(room);
    }
  }

  async #page(room, query, wanted) {
    const events = [];
    let from;
    for (;;) {
      const page = await this.http.call(
        "GET",
        v3(["rooms", room.id, "messages"], { ...query, from, limit: 100 }),
        { token: this.workers[0].token },
      );
      events.push(...page.chunk);
      if (page.end === undefined || page.chunk.length === 0 || wanted(page.chunk)) return events;
      from = page.end;
    }
  }

  // From the newest event back to what was checked before.
  async #verifyRoom(room) {
    const isBoundary = (event) => event.event_id === room.boundary;
    const events = await this.#page(room, { dir: "b" }, (chunk) => chunk.some(isBoundary));
    const end = events.findIndex(isBoundary);
    const fresh = (end < 0 ? events : events.slice(0, end)).reverse();
    if (room.boundary !== null && end < 0) {
      throw new Violation(`${room.boundary} of ${room.id} is in no page of /messages any more`);
    }
    const where = `/messages of ${room.id}, backwards`;
    const ids = room.judge(fresh, where);
    requireAll(room.unverified, ids, where);
    if (fresh.length > 0) room.boundary = fresh.at(-1).event_id;
  }

  async #verifyFromTheStart(room) {
    const where = `/messages of ${room.id}, forwards`;
    const events = await this.#page(room, { dir: "f" }, () => false);
    requireAll(room.events.keys(), room.judge(events, where), where);
  }
}

function requireAll(wanted, given, where) {
  const lost = [...wanted].filter((id) => !given.has(id));
  if (lost.length > 0) {
    throw new Violation(`${lost.length} acknowledged events are not in ${where}: ${lost[0]}`);
  }
}
