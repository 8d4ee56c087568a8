// operations.mjs: what the workers of the crash test do to the server, each
// operation keeping the ledger of what was acknowledged.
import { NoAnswer, Violation, v3 } from "./http.mjs";
import { KeyHistory } from "./keys.mjs";
import { Register } from "./ledger.mjs";

export const PASSWORD = "crash test pass phrase 42";

// Sends with a transaction id.  Kept by the worker until it was answered, so that
// it can be repeated after the crash.
class Transaction {
  constructor(path, body, acknowledged) {
    this.path = path;
    this.body = body;
    this.acknowledged = acknowledged; // (answer) => void
    this.answer = null;
  }
  async send(worker) {
    const answer = await worker.http.call("PUT", this.path, {
      token: worker.token,
      body: this.body,
    });
    if (this.answer !== null && JSON.stringify(this.answer) !== JSON.stringify(answer)) {
      throw new Violation(
        `${this.path}: first ${JSON.stringify(this.answer)}, ` +
          `repeated ${JSON.stringify(answer)}`,
      );
    }
    if (this.answer === null) this.acknowledged(answer);
    this.answer = answer;
  }
}

// One device that does one thing after the other.
export class Worker {
  constructor(world, number, user, session) {
    this.world = world;
    this.http = world.http;
    this.number = number;
    this.user = user;
    this.token = session.access_token;
    this.deviceId = session.device_id;
    this.count = 0;
    this.open = null; // the Transaction without an answer
    this.recent = []; // Transactions with one
    this.mine = []; // {room, entry}: own acknowledged messages
    this.registers = new Map();
    this.sessions = []; // {token, state: "valid" | "ending" | "ended"}
    this.rotating = null; // {access, refresh}
    this.filters = []; // {id, text}
    this.keys = new KeyHistory(this.deviceId);
    this.keysToUpload = null; // {keys, upload}: without an answer
  }

  register(name, initial, read) {
    let found = this.registers.get(name);
    if (found === undefined) {
      found = new Register(name, initial, read);
      this.registers.set(name, found);
    }
    return found;
  }

  // Runs until the server does not answer or `stopped()`.
  async run(dice, stopped) {
    while (!stopped()) {
      const operation = dice.pick(this.world.deck(this));
      this.world.attempts++;
      try {
        await operation(this, dice);
      } catch (error) {
        if (error instanceof NoAnswer) {
          if (!stopped()) throw new Violation(`no answer before the kill: ${error.message}`);
          this.world.unanswered++;
          return;
        }
        throw error;
      }
      this.world.acknowledged();
    }
  }

  async transact(path, body, acknowledged) {
    const transaction = new Transaction(path, body, acknowledged);
    this.open = transaction;
    await transaction.send(this);
    this.open = null;
    this.recent.push(transaction);
    if (this.recent.length > 200) this.recent.shift();
  }

  // What a client does after a crash: repeats what had no answer.  Repeats some
  // answered ones too, which must change nothing.
  async repeat(dice) {
    if (this.open !== null) {
      await this.open.send(this);
      this.recent.push(this.open);
      this.open = null;
      this.world.repeated++;
    }
    for (const transaction of [this.recent.at(-1), this.recent.at(dice.below(200) * -1)]) {
      if (transaction !== undefined) await transaction.send(this);
    }
    if (this.keysToUpload !== null) {
      await operations.uploadKeys(this);
      this.world.repeated++;
    }
    if (this.rotating?.unanswered) {
      // The old refresh token counts until the new one was used.
      await operations.rotateToken(this);
      this.world.repeated++;
    }
  }

  async verify(everything) {
    for (const [name, register] of this.registers) {
      if (everything || register.dirty) await register.verify();
      if (register.once) this.registers.delete(name);
    }
    await this.#verifyKeys();
    if (everything) this.keys.forget();
    for (const session of this.sessions) await this.#verifySession(session);
    this.sessions = this.sessions.filter(({ state }) => state === "valid").slice(-3);
    if (this.rotating && Date.now() < this.rotating.expires) {
      await this.http.call("GET", v3(["account", "whoami"]), { token: this.rotating.access });
    }
    for (const { id, text } of this.filters.splice(0)) {
      const filter = await this.http.call("GET", v3(["user", this.user.id, "filter", id]), {
        token: this.token,
      });
      if (filter.room?.timeline?.limit !== text) {
        throw new Violation(`filter ${id} has changed: ${JSON.stringify(filter)}`);
      }
    }
  }

  async #verifyKeys() {
    if (!this.world.features.includes("keys")) return;
    const answer = await this.http.call("POST", v3(["keys", "upload"]), {
      token: this.token,
      body: {},
    });
    this.keys.verify(answer.one_time_key_counts.curve25519 ?? 0);
  }

  async #verifySession(session) {
    const { status, body } = await this.http.request("GET", v3(["account", "whoami"]), {
      token: session.token,
    });
    const valid = status === 200 && body.user_id === this.user.id;
    const ended = status === 401 && body.errcode === "M_UNKNOWN_TOKEN";
    const right =
      (session.state === "valid" && valid) ||
      (session.state === "ended" && ended) ||
      (session.state === "ending" && (valid || ended));
    if (!right) {
      throw new Violation(
        `a token that should be ${session.state}: ${status} ${JSON.stringify(body)}`,
      );
    }
    session.state = valid ? "valid" : "ended";
  }
}

// The pair of tokens in an answer; after `expires` the access token may be refused.
function tokensOf({ access_token: access, refresh_token: refresh, expires_in_ms: ms }) {
  return { access, refresh, expires: ms === undefined ? Infinity : Date.now() + ms - 5_000 };
}

export const operations = {
  async sendMessage(worker, dice) {
    const room = dice.pick(worker.world.rooms);
    const number = worker.count++;
    const entry = {
      what: `message ${number} of worker ${worker.number}`,
      body: `w${worker.number}.${number}`,
      worker: worker.number,
      number,
    };
    room.attempt(entry);
    await worker.transact(
      v3(["rooms", room.id, "send", "m.room.message", `t${number}`]),
      { msgtype: "m.text", body: entry.body, padding: "x".repeat(dice.below(400)) },
      ({ event_id: id }) => {
        room.acknowledge(entry, id);
        worker.mine.push({ room, id });
      },
    );
  },

  async redact(worker, dice) {
    const target = worker.mine.length > 0 ? dice.pick(worker.mine) : undefined;
    if (target === undefined) return operations.sendMessage(worker, dice);
    const { room, id } = target;
    const number = worker.count++;
    room.maybeRedacted.add(id);
    await worker.transact(
      v3(["rooms", room.id, "redact", id, `t${number}`]),
      { reason: "crash test" },
      (answer) => {
        room.acknowledge({ what: `redaction ${number} of ${id}` }, answer.event_id);
        room.redacted.add(id);
      },
    );
  },

  async setState(worker, dice) {
    const room = dice.pick(worker.world.rooms);
    const path = v3(["rooms", room.id, "state", "org.matrixcore.crash", `w${worker.number}`]);
    const value = worker.count++;
    await worker
      .register(`state of worker ${worker.number} in ${room.id}`, undefined, async () => {
        const { status, body } = await worker.http.request("GET", path, {
          token: worker.token,
        });
        return status === 200 ? body.value : undefined;
      })
      .write(value, async () => {
        const answer = await worker.http.call("PUT", path, {
          token: worker.token,
          body: { value },
        });
        room.acknowledge({ what: `state ${value} of worker ${worker.number}` }, answer.event_id);
      });
  },

  async setAccountData(worker, dice) {
    const room = dice.below(3) === 0 ? dice.pick(worker.world.rooms) : undefined;
    const scope = room === undefined ? [] : ["rooms", room.id];
    const type = `org.matrixcore.crash.w${worker.number}`;
    const path = v3(["user", worker.user.id, ...scope, "account_data", type]);
    const value = worker.count++;
    await worker
      .register(`account data ${path}`, undefined, async () => {
        const { status, body } = await worker.http.request("GET", path, {
          token: worker.token,
        });
        return status === 200 ? body.value : undefined;
      })
      .write(value, () =>
        worker.http.call("PUT", path, { token: worker.token, body: { value } }),
      );
  },

  async setDisplayName(worker) {
    const path = v3(["profile", worker.user.id, "displayname"]);
    const value = `name ${worker.count++}`;
    await worker
      .register(`display name of ${worker.user.id}`, undefined, async () =>
        (await worker.http.call("GET", path, { token: worker.token })).displayname,
      )
      .write(value, () =>
        worker.http.call("PUT", path, {
          token: worker.token,
          body: { displayname: value },
        }),
      );
  },

  // Joins or leaves a public room.
  async changeMembership(worker, dice) {
    const roomId = dice.pick(worker.world.lobbies);
    const register = worker.register(
      `membership of ${worker.user.id} in ${roomId}`,
      false,
      async () => {
        const { joined_rooms: joined } = await worker.http.call("GET", v3(["joined_rooms"]), {
          token: worker.token,
        });
        return joined.includes(roomId);
      },
    );
    const join = !register.acknowledged;
    await register.write(join, () =>
      worker.http.call("POST", v3(["rooms", roomId, join ? "join" : "leave"]), {
        token: worker.token,
        body: {},
      }),
    );
  },

  async createRoom(worker) {
    const name = `room ${worker.count++} of worker ${worker.number}`;
    const { room_id: id } = await worker.http.call("POST", v3(["createRoom"]), {
      token: worker.token,
      body: { preset: "private_chat", name },
    });
    const path = v3(["rooms", id, "state", "m.room.name", ""]);
    const register = worker.register(`name of ${id}`, name, async () =>
      (await worker.http.call("GET", path, { token: worker.token })).name,
    );
    register.dirty = true;
    register.once = true;
  },

  async login(worker) {
    const { access_token: token } = await worker.world.login(worker.user);
    worker.sessions.push({ token, state: "valid" });
  },

  async logout(worker) {
    const session = worker.sessions.find(({ state }) => state === "valid");
    if (session === undefined) return operations.login(worker);
    session.state = "ending";
    await worker.http.call("POST", v3(["logout"]), { token: session.token, body: {} });
    session.state = "ended";
  },

  async rotateToken(worker) {
    if (worker.rotating === null) {
      const session = await worker.world.login(worker.user, { refresh_token: true });
      worker.rotating = tokensOf(session);
      return;
    }
    worker.rotating.unanswered = true;
    const answer = await worker.http.call("POST", v3(["refresh"]), {
      body: { refresh_token: worker.rotating.refresh },
    });
    worker.rotating = tokensOf(answer);
  },

  async storeFilter(worker) {
    const limit = 1 + worker.count++;
    const { filter_id: id } = await worker.http.call(
      "POST",
      v3(["user", worker.user.id, "filter"]),
      { token: worker.token, body: { room: { timeline: { limit } } } },
    );
    worker.filters.push({ id, text: limit });
  },

  // To a device that follows /sync: must arrive once.
  async sendToDevice(worker, dice) {
    const target = dice.pick(worker.world.observers);
    const number = worker.count++;
    const body = `w${worker.number}.${number}`;
    await worker.transact(
      v3(["sendToDevice", "org.matrixcore.crash", `t${number}`]),
      { messages: { [target.user]: { [target.deviceId]: { body } } } },
      () => target.expected.add(body),
    );
  },

  // One-time keys: uploaded by some, claimed by all.  What had no answer is
  // uploaded again, as a client does: by then its keys may have been given away.
  async uploadKeys(worker) {
    if (worker.keysToUpload === null) {
      // As clients do: a server takes only so many for a device.
      if (worker.keyStock > 500) {
        const answer = await worker.http.call("POST", v3(["keys", "upload"]), {
          token: worker.token,
          body: {},
        });
        worker.keyStock = answer.one_time_key_counts?.curve25519 ?? 0;
        return;
      }
      const keys = {};
      for (let i = 0; i < 5; i++) {
        keys[`curve25519:w${worker.number}n${worker.count++}`] = `key${worker.count}`;
      }
      worker.keysToUpload = { keys, upload: worker.keys.beginUpload(Object.keys(keys)) };
    }
    const { keys, upload } = worker.keysToUpload;
    const answer = await worker.http.call("POST", v3(["keys", "upload"]), {
      token: worker.token,
      body: { one_time_keys: keys },
    });
    worker.keys.answered(upload);
    worker.keysToUpload = null;
    worker.keyStock = answer.one_time_key_counts?.curve25519 ?? 0;
  },

  async claimKey(worker, dice) {
    const owner = dice.pick(worker.world.workers);
    const claim = owner.keys.beginClaim();
    const answer = await worker.http.call("POST", v3(["keys", "claim"]), {
      token: worker.token,
      body: { one_time_keys: { [owner.user.id]: { [owner.deviceId]: "curve25519" } } },
    });
    const given = Object.keys(answer.one_time_keys?.[owner.user.id]?.[owner.deviceId] ?? {});
    if (given.length > 1) throw new Violation(`one claim was given ${given.join(" and ")}`);
    owner.keys.claimAnswered(claim, given[0]);
  },
};
