// stage.mjs: what the tests in this folder share: a server, people who talk
// through it, and steps that build on each other.
//
// HOMESERVER=path       starts that binary on a temporary directory
// MATRIX_LAUNCH=script  starts another server, see launch/
// HOMESERVER_URL=url    uses a server that runs already: nothing is killed
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";

import { Person } from "./person.mjs";
import { Server } from "./server.mjs";

export const PASSWORD = "a long pass phrase, 7 words of it";
export const RUN = randomBytes(4).toString("hex"); // keeps names apart on a reused server

export function username(name) {
  return `${name}-${RUN}`;
}

class Stage {
  server = null; // null when it is not ours to kill
  baseUrl = process.env.HOMESERVER_URL;
  broken = null; // the first step that failed
  #people = [];

  // `options`: see Person.
  newPerson(name, session, options) {
    const person = new Person(this.baseUrl, name, session, options);
    this.#people.push(person);
    return person;
  }

  async register(name, options) {
    const anyone = this.newPerson(`${name} (no token)`).client;
    const request = {
      username: username(name),
      password: PASSWORD,
      initial_device_display_name: `${name}'s client`,
    };
    const challenge = await anyone.registerRequest(request).then(
      () => assert.fail("registration without any stage must be refused"),
      (error) => error,
    );
    assert.equal(challenge.httpStatus, 401);
    assert.ok(
      challenge.data.flows.some((flow) => flow.stages.join() === "m.login.dummy"),
      `no flow of m.login.dummy alone: ${JSON.stringify(challenge.data)}`,
    );
    assert.equal(typeof challenge.data.session, "string");
    const session = await anyone.registerRequest({
      ...request,
      auth: { type: "m.login.dummy", session: challenge.data.session },
    });
    assert.match(session.user_id, new RegExp(`^@${username(name)}:`));
    assert.ok(session.access_token && session.device_id);
    return this.newPerson(name, session, options);
  }

  // Another device of somebody.
  async login(person, name, options) {
    const { client } = this.newPerson(`${name} (no token)`);
    const session = await client.loginRequest({
      type: "m.login.password",
      identifier: { type: "m.id.user", user: person.userId },
      password: PASSWORD,
      initial_device_display_name: name,
    });
    return this.newPerson(name, session, options);
  }

  async setUp() {
    if (this.baseUrl) return;
    this.server = await Server.create();
    this.broken = "the start of the server";
    const ms = await this.server.start();
    this.broken = null;
    this.baseUrl = this.server.baseUrl;
    console.log(`# first answer after ${ms.toFixed(0)} ms`);
  }

  async tearDown() {
    for (const person of this.#people) person.stop();
    if (this.server === null) return;
    if (this.broken !== null) {
      for (const person of this.#people) {
        for (const entry of person.requests.slice(-15)) {
          console.log(`# ${person.name}: ${JSON.stringify(entry)}`);
        }
        for (const line of person.logger.lines.slice(-15)) console.log(`# ${line}`);
      }
      console.log(`# the data is in ${this.server.dataDir}; the server's last words:`);
      console.log(this.server.logTail());
    }
    const how = await this.server.stop();
    assert.deepEqual(how, { code: 0, signal: null }, "SIGTERM ends the server cleanly");
    if (this.broken === null) this.server.removeData();
  }
}

export const stage = new Stage();
before(() => stage.setUp());
after(() => stage.tearDown());

// One step; after the first that fails the rest is skipped.
export function step(name, body, options = {}) {
  test(name, options, async (t) => {
    if (stage.broken !== null) {
      t.skip(`"${stage.broken}" failed`);
      return;
    }
    try {
      await body(t);
    } catch (error) {
      stage.broken = name;
      throw error;
    }
  });
}

// Requests that were refused although a stock client made them on its own.  It
// may ask for what is not in the specification yet and be told so.
export function unexpectedRefusals(person, allowed = []) {
  return person.refusals.filter(
    ({ path, status, errcode }) =>
      !(status === 404 && errcode === "M_UNRECOGNIZED" && path.includes("/unstable/")) &&
      !allowed.some((rule) => rule.status === status && rule.path.test(path)),
  );
}
