// sliding_sync_test.mjs: a person whose stock matrix-js-sdk client uses sliding
// sync, one whose client uses /v3/sync, and the server killed between them.
// What the SDK does not speak, the merged form of MSC4186, is asked for by hand.
//
// HOMESERVER, MATRIX_LAUNCH and HOMESERVER_URL as in conversation_test.mjs.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import * as sdk from "matrix-js-sdk";
import { SlidingSync } from "matrix-js-sdk/lib/sliding-sync.js";

import { Person } from "./person.mjs";
import { Server } from "./server.mjs";

const ROOMS = 25;
const RUN = randomBytes(4).toString("hex");
const SIMPLIFIED = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";

let server = null;
let baseUrl = process.env.HOMESERVER_URL;
let alice, bob, sliding;
const people = [];
const rooms = []; // Alice's, the oldest first.

async function register(name) {
  const anyone = new Person(baseUrl, `${name} (no token)`);
  const session = await anyone.client.registerRequest({
    username: `${name}-${RUN}`,
    password: "a long pass phrase, 7 words of it",
    auth: { type: "m.login.dummy" },
  });
  const person = new Person(baseUrl, name, session);
  people.push(person);
  return person;
}

async function say(person, roomId, body) {
  const { event_id: id } = await person.client.sendMessage(roomId, {
    msgtype: sdk.MsgType.Text,
    body,
  });
  return id;
}

// The bodies of messages in the live timeline.
function bodies(person, roomId) {
  return person
    .timeline(roomId, (event) => event.getType() === "m.room.message")
    .map((event) => event.getContent().body);
}

function list(first, last, limit = 1) {
  return {
    ranges: [[first, last]],
    timeline_limit: limit,
    required_state: [
      ["m.room.create", ""],
      ["m.room.name", ""],
      ["m.room.member", "$ME"],
      ["m.room.member", "$LAZY"],
    ],
    filters: {},
  };
}

let broken = null;
function step(name, body) {
  test(name, async (t) => {
    if (broken !== null) return t.skip(`"${broken}" failed`);
    try {
      await body(t);
    } catch (error) {
      broken = name;
      throw error;
    }
  });
}

before(async () => {
  if (!baseUrl) {
    server = await Server.create();
    await server.start();
    baseUrl = server.baseUrl;
  }
  alice = await register("alice");
  bob = await register("bob");
});

after(async () => {
  for (const person of people) person.stop();
  if (server === null) return;
  if (broken !== null) {
    for (const line of alice.logger.lines.slice(-15)) console.log(`# ${line}`);
    for (const entry of alice.requests.slice(-15)) console.log(`# ${JSON.stringify(entry)}`);
    console.log(server.logTail());
  }
  const how = await server.stop();
  assert.deepEqual(how, { code: 0, signal: null });
  if (broken === null) server.removeData();
});

step("the server says that it has sliding sync", async () => {
  const { unstable_features: features } = await alice.client.getVersions();
  assert.equal(features["org.matrix.simplified_msc3575"], true);
});

step("a client starts with the rooms at the top", async () => {
  for (let i = 0; i < ROOMS; i++) {
    const { room_id: id } = await alice.client.createRoom({
      name: `Room ${i}`,
      preset: sdk.Preset.PublicChat,
    });
    rooms.push(id);
  }
  await say(alice, rooms.at(-1), "before");
  sliding = new SlidingSync(
    baseUrl,
    new Map([["all", list(0, 9)]]),
    { timeline_limit: 20, required_state: [["*", "*"]] },
    alice.client,
    1_000,
  );
  await alice.start({ slidingSync: sliding });
  await bob.start();
  assert.equal(sliding.getListData("all").joinedCount, ROOMS);
  assert.equal(alice.client.getRooms().length, 10);
  assert.equal(alice.room(rooms.at(-1)).name, `Room ${ROOMS - 1}`);
  assert.deepEqual(bodies(alice, rooms.at(-1)), ["before"]);
  assert.equal(alice.client.getRoom(rooms[0]), null);
  assert.ok(alice.client.pushRules?.global?.override?.length > 0, "push rules");
});

step("a growing window brings the other rooms", async () => {
  sliding.setListRanges("all", [[0, 99]]);
  await alice.waitFor("all rooms", () => alice.client.getRooms().length === ROOMS);
});

step("messages arrive in both modes", async () => {
  const roomId = rooms[0];
  await bob.client.joinRoom(roomId);
  const fromBob = await say(bob, roomId, "from /v3/sync");
  await alice.waitForEvent(roomId, fromBob);
  const fromAlice = await say(alice, roomId, "from sliding sync");
  await bob.waitForEvent(roomId, fromAlice);
  await alice.waitForEvent(roomId, fromAlice);
  assert.equal(alice.room(roomId).getMember(bob.userId).membership, "join");
  assert.equal(alice.room(roomId).getJoinedMemberCount(), 2);
});

step("unread counts, receipts, typing and account data arrive", async () => {
  const roomId = rooms[0];
  const id = await say(bob, roomId, "read this");
  await alice.waitForEvent(roomId, id);
  await alice.waitFor("an unread message", () =>
    alice.room(roomId).getUnreadNotificationCount() > 0);
  await alice.client.sendReadReceipt(alice.room(roomId).findEventById(id));
  await bob.waitFor("alice's receipt", () =>
    bob.room(roomId).hasUserReadEvent(alice.userId, id));
  await alice.waitFor("nothing unread", () =>
    alice.room(roomId).getUnreadNotificationCount() === 0);

  const typing = new Promise((resolve) => {
    alice.client.on(sdk.RoomMemberEvent.Typing, (event, member) => {
      if (member.userId === bob.userId && member.typing) resolve();
    });
  });
  await bob.client.sendTyping(roomId, true, 5_000);
  await typing;

  await alice.client.setAccountData("org.example.thing", { n: 1 });
  await alice.waitFor("account data", () =>
    alice.client.getAccountData("org.example.thing")?.getContent().n === 1);
  await alice.client.setRoomTag(roomId, "m.favourite", { order: 0.5 });
  await alice.waitFor("a tag", () => alice.room(roomId).tags["m.favourite"]);
});

step("an invite arrives and is accepted", async () => {
  const { room_id: id } = await bob.client.createRoom({
    name: "Bob's place",
    preset: sdk.Preset.PrivateChat,
  });
  await bob.client.invite(id, alice.userId);
  await alice.waitFor("the invite", () =>
    alice.client.getRoom(id)?.getMyMembership() === "invite");
  await alice.client.joinRoom(id);
  await alice.waitFor("the join", () =>
    alice.client.getRoom(id)?.getMyMembership() === "join");
  const said = await say(bob, id, "welcome");
  await alice.waitForEvent(id, said);
  await alice.client.leave(id);
  await alice.waitFor("the leave", () =>
    alice.client.getRoom(id)?.getMyMembership() === "leave");
});

step("a subscription brings older messages", async () => {
  const roomId = rooms[1];
  const sent = [];
  for (let i = 0; i < 5; i++) {
    sent.push(`old ${i}`);
    await say(alice, roomId, `old ${i}`);
  }
  sliding.modifyRoomSubscriptions(new Set([roomId]));
  await alice.waitFor("older messages", () =>
    sent.every((body) => bodies(alice, roomId).includes(body)));
  assert.deepEqual(bodies(alice, roomId), sent);
});

step("to-device messages arrive", async () => {
  const got = new Promise((resolve) => {
    alice.client.on(sdk.ClientEvent.ReceivedToDeviceMessage, ({ message }) => resolve(message));
    alice.client.on(sdk.ClientEvent.ToDeviceEvent, (event) => resolve(event));
  });
  await bob.client.sendToDevice(
    "org.example.ping",
    new Map([[alice.userId, new Map([[alice.session.device_id, { n: 1 }]])]]),
  );
  await got;
});

step("nothing is lost when the server is killed", async (t) => {
  if (server === null) return t.skip("not our server");
  const before = alice.requests.length;
  const lost = await say(bob, rooms[0], "before the crash");
  await server.kill();
  await server.start();
  // One message at a time: of two the list would tell the newer one only.
  await alice.waitForEvent(rooms[0], lost);
  const id = await say(bob, rooms[0], "after the crash");
  await alice.waitForEvent(rooms[0], id);
  const seen = bodies(alice, rooms[0]);
  assert.deepEqual(seen.slice(-2), ["before the crash", "after the crash"]);
  assert.equal(new Set(seen).size, seen.length, `twice: ${seen}`);
  const unknown = alice.requests
    .slice(before)
    .filter((entry) => entry.errcode === "M_UNKNOWN_POS");
  assert.deepEqual(unknown, [], "the connection survives the crash");
});

step("the client was refused nothing", () => {
  const refusals = alice.refusals.filter(
    ({ status, errcode }) => !(status === 404 && errcode === "M_UNRECOGNIZED"),
  );
  assert.deepEqual(refusals, []);
  assert.ok(alice.requests.some(({ path }) => path.startsWith(SIMPLIFIED)));
  assert.ok(!alice.requests.some(({ path }) => path.includes("/v3/sync")));
});

step("the merged form answers too", async () => {
  const ask = (body) => alice.raw("POST", "/_matrix/client/v4/sync", body);
  const body = {
    conn_id: "by-hand",
    lists: {
      top: {
        range: [0, 2],
        timeline_limit: 1,
        required_state: { include: [{ type: "m.room.name" }], lazy_members: true },
      },
    },
  };
  const first = await ask(body);
  assert.equal(first.status, 200);
  assert.equal(Object.keys(first.body.rooms).length, 3);
  for (const room of Object.values(first.body.rooms)) {
    assert.equal(room.initial, true);
    assert.deepEqual(room.lists, ["top"]);
    assert.equal(typeof room.membership, "string");
    assert.equal(room.notification_count, undefined);
  }
  const id = await say(bob, rooms[0], "once more");
  const second = await ask({ ...body, pos: first.body.pos, timeout: 10_000 });
  assert.deepEqual(Object.keys(second.body.rooms), [rooms[0]]);
  assert.equal(second.body.rooms[rooms[0]].timeline[0].event_id, id);
  const strange = await bob.raw("POST", "/_matrix/client/v4/sync", {
    ...body,
    pos: first.body.pos,
  });
  assert.equal(strange.status, 400);
  assert.equal(strange.body.errcode, "M_UNKNOWN_POS");
  const many = Object.fromEntries(
    Array.from({ length: 101 }, (_, i) => [`l${i}`, body.lists.top]),
  );
  const refused = await ask({ lists: many });
  assert.equal(refused.status, 400);
  assert.equal(refused.body.errcode, "M_INVALID_PARAM");
});
