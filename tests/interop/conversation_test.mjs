// conversation_test.mjs: two people talk through a homeserver with stock
// matrix-js-sdk clients, and the server is killed in the middle.
// Which server that is: see stage.mjs.
import assert from "node:assert/strict";
import { after } from "node:test";
import * as sdk from "matrix-js-sdk";

import { refused } from "./person.mjs";
import { PASSWORD, RUN, stage, step, unexpectedRefusals, username } from "./stage.mjs";

const { EventType, MsgType, RoomEvent } = sdk;

let alice, bob;
let roomId;
const latencies = [];
const messages = []; // {id, body, sender}: every acknowledged message in roomId

async function say(person, body, content = {}) {
  const { event_id: id } = await person.client.sendMessage(roomId, {
    msgtype: MsgType.Text,
    body,
    ...content,
  });
  assert.match(id, /^\$/);
  messages.push({ id, body, sender: person.userId });
  return id;
}

// What a user does about a message that was refused: give it up.  The SDK holds
// back later ones until then.
function dropPending(person) {
  for (const echo of person.room(roomId).getPendingEvents()) {
    person.client.cancelPendingEvent(echo);
  }
}

after(() => {
  if (latencies.length === 0) return;
  latencies.sort((a, b) => a - b);
  const median = latencies[Math.floor(latencies.length / 2)];
  console.log(
    `# send to delivered: median ${median.toFixed(1)} ms, ` +
      `largest ${latencies.at(-1).toFixed(1)} ms of ${latencies.length}`,
  );
});

step("the server presents itself", async () => {
  const { client } = stage.newPerson("nobody");
  const { versions } = await client.getVersions();
  assert.ok(versions.includes("v1.1"), `versions: ${versions}`);
  const { flows } = await client.loginFlows();
  assert.ok(flows.some((flow) => flow.type === "m.login.password"));
  await refused(client.whoami(), 401, "M_MISSING_TOKEN");
  const invalid = stage.newPerson("impostor", {
    user_id: "@nobody:localhost",
    device_id: "X",
    access_token: "not-a-token",
  });
  await refused(invalid.client.whoami(), 401, "M_UNKNOWN_TOKEN");
});

step("two people register", async () => {
  const { client } = stage.newPerson("newcomer");
  assert.equal(await client.isUsernameAvailable(username("alice")), true);
  alice = await stage.register("alice");
  bob = await stage.register("bob");
  assert.equal(await client.isUsernameAvailable(username("alice")), false);
  await refused(
    client.registerRequest({
      username: username("alice"),
      password: PASSWORD,
      auth: { type: "m.login.dummy" },
    }),
    400,
    "M_USER_IN_USE",
  );
  assert.equal((await alice.client.whoami()).user_id, alice.userId);
});

step("stock clients start without an error", async () => {
  await Promise.all([alice.start(), bob.start()]);
  for (const person of [alice, bob]) {
    assert.ok(person.client.pushRules?.global?.override?.length > 0, "push rules");
    const capabilities = await person.client.getCapabilities();
    assert.equal(typeof capabilities["m.room_versions"].default, "string");
    assert.equal(capabilities["m.change_password"].enabled, true);
    assert.ok(
      person.requests.some(({ method, path }) => method === "POST" && /\/filter$/.test(path)),
      "the client stored a filter",
    );
    assert.deepEqual(unexpectedRefusals(person), []);
    const errors = person.logger.lines.filter((line) => line.startsWith("error"));
    assert.deepEqual(errors, []);
  }
});

step("a room is created and arrives through sync", async () => {
  const created = await alice.client.createRoom({
    name: "The kitchen table",
    topic: "Bread & other matters — café",
    preset: sdk.Preset.PrivateChat,
    room_alias_name: `kitchen-${RUN}`,
    initial_state: [
      { type: "org.example.mood", state_key: "", content: { mood: "curious" } },
    ],
  });
  roomId = created.room_id;
  const room = await alice.waitFor("the new room", () => alice.client.getRoom(roomId));
  await alice.waitFor("its name", () => room.name === "The kitchen table");
  const state = room.currentState;
  assert.equal(
    state.getStateEvents("m.room.topic", "").getContent().topic,
    "Bread & other matters — café",
  );
  assert.equal(state.getStateEvents("org.example.mood", "").getContent().mood, "curious");
  assert.equal(room.getJoinRule(), "invite");
  assert.equal(room.getHistoryVisibility(), "shared");
  assert.equal(room.getMyMembership(), "join");
  assert.match(room.getCanonicalAlias(), new RegExp(`^#kitchen-${RUN}:`));
});

step("a private room refuses who is not invited", async () => {
  await refused(bob.client.joinRoom(roomId), 403, "M_FORBIDDEN");
  await refused(
    bob.client.sendMessage(roomId, { msgtype: "m.text", body: "let me in" }),
    403,
    "M_FORBIDDEN",
  );
  await refused(bob.client.roomState(roomId), 403, "M_FORBIDDEN");
});

step("an invitation arrives and is accepted by alias", async () => {
  await alice.client.invite(roomId, bob.userId);
  const room = await bob.waitFor("the invitation", () => bob.client.getRoom(roomId));
  assert.equal(room.getMyMembership(), "invite");
  assert.equal(room.name, "The kitchen table");
  assert.equal(room.getMember(bob.userId).events.member.getSender(), alice.userId);

  const alias = alice.room(roomId).getCanonicalAlias();
  const { room_id: resolved } = await bob.client.getRoomIdForAlias(alias);
  assert.equal(resolved, roomId);
  await bob.client.joinRoom(alias);
  await bob.waitFor("the join", () => room.getMyMembership() === "join");
  await alice.waitFor(
    "bob's join",
    () => alice.room(roomId).getMember(bob.userId)?.membership === "join",
  );
  assert.equal(alice.room(roomId).getJoinedMemberCount(), 2);
});

step("messages arrive at once, in both directions", async () => {
  for (let i = 0; i < 20; i++) {
    const [from, to] = i % 2 === 0 ? [alice, bob] : [bob, alice];
    const began = performance.now();
    const id = await say(from, `message ${i}`);
    const event = await to.waitForEvent(roomId, id);
    latencies.push(performance.now() - began);
    assert.equal(event.getContent().body, `message ${i}`);
    assert.equal(event.getSender(), from.userId);
    assert.ok(Math.abs(event.getTs() - Date.now()) < 60_000, "origin_server_ts");
  }
  // A delivery that waited for a poll to run out would take many seconds.
  assert.ok(Math.max(...latencies) < 5_000, `latencies: ${latencies}`);
});

step("the sender's echo carries the transaction id", async () => {
  const body = "mine";
  const txnId = `echo-${RUN}`;
  const { event_id: id } = await alice.client.sendEvent(
    roomId,
    EventType.RoomMessage,
    { msgtype: MsgType.Text, body },
    txnId,
  );
  messages.push({ id, body, sender: alice.userId });
  const echo = await alice.waitForEvent(roomId, id);
  assert.equal(echo.getUnsigned().transaction_id, txnId);
  const received = await bob.waitForEvent(roomId, id);
  assert.equal(received.getUnsigned().transaction_id, undefined);
  // The same transaction again is the same event, not a second one.
  const repeated = await alice.raw(
    "PUT",
    `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${txnId}`,
    { msgtype: MsgType.Text, body },
  );
  assert.deepEqual(repeated, { status: 200, body: { event_id: id } });
});

step("content survives byte for byte", async () => {
  const content = {
    msgtype: "m.text",
    body: "line\nbreak \t tab \"quotes\" \\ back \u0001 \u{1F95E} e\u0301 \u2028",
    format: "org.matrix.custom.html",
    formatted_body: "<b>bold</b> & <i>brave</i>",
    "org.example.unknown": {
      deep: [1, -2, 0, { a: null, b: true, c: [] }, "", {}],
      "": "empty key",
      big: 9007199254740991,
    },
  };
  const id = await say(bob, content.body, content);
  const event = await alice.waitForEvent(roomId, id);
  assert.deepEqual(event.getContent(), content);
  const fetched = await alice.client.fetchRoomEvent(roomId, id);
  assert.deepEqual(fetched.content, content);
});

step("a reply and a notice keep what they say", async () => {
  const target = messages[0].id;
  const id = await say(bob, "to that", {
    "m.relates_to": { "m.in_reply_to": { event_id: target } },
  });
  const reply = await alice.waitForEvent(roomId, id);
  assert.equal(reply.replyEventId, target);
  const { event_id: notice } = await alice.client.sendNotice(roomId, "it is late");
  messages.push({ id: notice, body: "it is late", sender: alice.userId });
  assert.equal(
    (await bob.waitForEvent(roomId, notice)).getContent().msgtype,
    "m.notice",
  );
});

step("a redaction empties the message for both", async () => {
  const id = await say(bob, "I should not have said that");
  await alice.waitForEvent(roomId, id);
  const redacted = new Promise((resolve) => {
    alice.room(roomId).once(RoomEvent.Redaction, resolve);
  });
  await bob.client.redactEvent(roomId, id, undefined, { reason: "regret" });
  assert.equal((await redacted).getContent().reason, "regret");
  const event = await alice.waitForEvent(roomId, id);
  assert.ok(event.isRedacted());
  assert.deepEqual(event.getContent(), {});
  const fetched = await alice.client.fetchRoomEvent(roomId, id);
  assert.deepEqual(fetched.content, {});
  assert.equal(fetched.unsigned.redacted_because.type, "m.room.redaction");
  messages.find((message) => message.id === id).body = undefined;
  await refused(
    bob.client.redactEvent(roomId, messages[0].id),
    403,
    "M_FORBIDDEN",
  );
  dropPending(bob);
});

step("read receipts and the read marker arrive", async () => {
  const id = await say(alice, "have you read this?");
  const event = await bob.waitForEvent(roomId, id);
  await bob.client.sendReadReceipt(event);
  const mine = await alice.waitForEvent(roomId, id);
  await alice.waitFor("bob's receipt", () =>
    alice.room(roomId).getUsersReadUpTo(mine).includes(bob.userId),
  );
  await bob.client.setRoomReadMarkers(roomId, messages[0].id, event);
  await bob.waitFor(
    "the fully read marker",
    () =>
      bob.room(roomId).getAccountData("m.fully_read")?.getContent().event_id ===
      messages[0].id,
  );
});

step("typing shows and ends", async () => {
  const typing = () => alice.room(roomId).getMember(bob.userId).typing;
  await bob.client.sendTyping(roomId, true, 20_000);
  await alice.waitFor("bob typing", () => typing());
  await bob.client.sendTyping(roomId, false, 0);
  await alice.waitFor("bob not typing", () => !typing());
  await bob.client.sendTyping(roomId, true, 500);
  await alice.waitFor("bob typing again", () => typing());
  await alice.waitFor("the timeout", () => !typing());
});

step("a new name reaches everyone", async () => {
  await bob.client.setDisplayName("Bob the baker");
  await alice.waitFor(
    "bob's new name",
    () => alice.room(roomId).getMember(bob.userId).rawDisplayName === "Bob the baker",
  );
  assert.equal(
    (await alice.client.getProfileInfo(bob.userId)).displayname,
    "Bob the baker",
  );
});

step("account data and tags come back through sync", async () => {
  await alice.client.setAccountData("org.example.settings", { theme: "dark" });
  await alice.waitFor(
    "the account data",
    () =>
      alice.client.getAccountData("org.example.settings")?.getContent().theme === "dark",
  );
  await alice.client.setRoomAccountData(roomId, "org.example.room", { n: 1 });
  await alice.waitFor(
    "the room's account data",
    () => alice.room(roomId).getAccountData("org.example.room")?.getContent().n === 1,
  );
  assert.equal(await bob.client.getAccountDataFromServer("org.example.settings"), null);
  await alice.client.setRoomTag(roomId, "m.favourite", { order: 0.25 });
  await alice.waitFor(
    "the tag",
    () => alice.room(roomId).tags["m.favourite"]?.order === 0.25,
  );
});

step("power decides who may change the room", async () => {
  await refused(bob.client.setRoomTopic(roomId, "Mutiny"), 403, "M_FORBIDDEN");
  await alice.client.setPowerLevel(roomId, bob.userId, 50);
  await bob.waitFor(
    "bob's power",
    () => bob.room(roomId).getMember(bob.userId).powerLevel === 50,
  );
  await bob.client.setRoomTopic(roomId, "Dough");
  await alice.waitFor(
    "the topic",
    () =>
      alice.room(roomId).currentState.getStateEvents("m.room.topic", "")?.getContent()
        .topic === "Dough",
  );
});

step("killed in mid-conversation, nothing acknowledged is lost or doubled", async (t) => {
  if (stage.server === null) {
    t.skip("the server is not ours to kill");
    return;
  }
  const each = 60;
  const before_ = messages.length;
  let acknowledged = 0;
  let failures = 0;
  let restarted = null; // a promise, from the kill on
  const killAt = 31;

  // What an application does: on failure it resends the same local echo, which
  // keeps its transaction id.
  async function talk(person, name) {
    const room = person.room(roomId);
    for (let i = 0; i < each; i++) {
      const body = `${name} ${i}`;
      const txnId = `storm-${RUN}-${name}-${i}`;
      let answer = null;
      try {
        answer = await person.client.sendMessage(
          roomId,
          { msgtype: MsgType.Text, body },
          txnId,
        );
      } catch (error) {
        assert.ok(restarted !== null, `failed before the kill: ${error}`);
      }
      while (answer === null) {
        failures++;
        assert.ok(failures < 50, "sending fails for ever");
        await restarted;
        const echo = room
          .getPendingEvents()
          .find((event) => event.getTxnId() === txnId);
        assert.ok(echo, `no pending event for ${txnId}`);
        answer = await person.client.resendEvent(echo, room).catch(() => null);
      }
      messages.push({ id: answer.event_id, body, sender: person.userId });
      if (++acknowledged === killAt) {
        restarted = stage.server.kill().then(() => stage.server.start());
        restarted.catch(() => {}); // judged below
      }
    }
  }
  await Promise.all([talk(alice, "alice"), talk(bob, "bob")]);
  const ms = await restarted;
  console.log(`# answered ${ms.toFixed(0)} ms after the restart, ${failures} resent`);
  for (const person of [alice, bob]) person.client.retryImmediately();
  const sent = messages.slice(before_);
  assert.equal(new Set(sent.map(({ id }) => id)).size, 2 * each);
  for (const person of [alice, bob]) {
    await person.waitForEvent(roomId, sent.at(-1).id);
    const history = await person.historyBackTo(roomId, messages[before_ - 1].id);
    const ids = new Set(history.map((event) => event.getId()));
    assert.deepEqual(sent.filter(({ id }) => !ids.has(id)), [], "lost");
    for (const name of ["alice", "bob"]) {
      const heard = history
        .map((event) => event.getContent().body ?? "")
        .filter((body) => body.startsWith(`${name} `));
      assert.deepEqual(heard, Array.from({ length: each }, (_, i) => `${name} ${i}`));
    }
  }
});

step("sync gave every event exactly once", async () => {
  for (const person of [alice, bob]) {
    const seen = person.timelines.get(roomId);
    assert.equal(new Set(seen).size, seen.length, "an event came twice through /sync");
    if (person.gaps.has(roomId)) continue; // paged through after the restart
    const set = new Set(seen);
    assert.deepEqual(messages.filter(({ id }) => !set.has(id)), [], "lost");
  }
});

step("a new device pages through the whole history", async () => {
  const { client } = stage.newPerson("bob (no token)");
  await refused(
    client.loginRequest({
      type: "m.login.password",
      identifier: { type: "m.id.user", user: username("bob") },
      password: "wrong",
    }),
    403,
    "M_FORBIDDEN",
  );
  const session = await client.loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user: username("bob") },
    password: PASSWORD,
    initial_device_display_name: "bob's second client",
  });
  assert.equal(session.user_id, bob.userId);
  assert.notEqual(session.device_id, bob.session.device_id);
  const tablet = stage.newPerson("bob's tablet", session);
  await tablet.start({ initialSyncLimit: 5 });
  const room = tablet.room(roomId);
  assert.equal(room.name, "The kitchen table");
  assert.equal(room.getJoinedMemberCount(), 2);
  assert.equal(room.getAccountData("m.fully_read").getContent().event_id, messages[0].id);
  const timeline = room.getLiveTimeline();
  let pages = 0;
  while (await tablet.client.paginateEventTimeline(timeline, { backwards: true, limit: 30 })) {
    assert.ok(++pages < 100, "paging does not end");
  }
  const events = timeline.getEvents();
  assert.equal(events[0].getType(), "m.room.create");
  const bodies = events
    .filter((event) => event.getType() === "m.room.message")
    .map((event) => ({
      id: event.getId(),
      body: event.getContent().body,
      sender: event.getSender(),
    }));
  const byId = (a, b) => (a.id < b.id ? -1 : 1);
  assert.deepEqual([...bodies].sort(byId), [...messages].sort(byId));
  tablet.stop();
  await tablet.client.logout();
  await refused(tablet.client.whoami(), 401, "M_UNKNOWN_TOKEN");
});

step("context, members and state tell one story", async () => {
  const middle = messages[10];
  const context = await alice.raw(
    "GET",
    `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/context/` +
      `${encodeURIComponent(middle.id)}?limit=4`,
  );
  assert.equal(context.status, 200);
  assert.equal(context.body.event.event_id, middle.id);
  assert.deepEqual(
    context.body.events_before.map((event) => event.content.body),
    ["message 9", "message 8"],
  );
  assert.deepEqual(
    context.body.events_after.map((event) => event.content.body),
    ["message 11", "message 12"],
  );
  assert.ok(context.body.state.length > 0 && context.body.start && context.body.end);

  const { joined } = await alice.client.getJoinedRoomMembers(roomId);
  assert.deepEqual(Object.keys(joined).sort(), [alice.userId, bob.userId].sort());
  assert.equal(joined[bob.userId].display_name, "Bob the baker");
  const state = await bob.client.roomState(roomId);
  const topic = state.find(({ type }) => type === "m.room.topic");
  assert.equal(topic.content.topic, "Dough");
  assert.deepEqual(
    await bob.client.getStateEvent(roomId, "org.example.mood", ""),
    { mood: "curious" },
  );
  await refused(
    bob.client.getStateEvent(roomId, "org.example.absent", ""),
    404,
    "M_NOT_FOUND",
  );
  assert.ok((await bob.client.getJoinedRooms()).joined_rooms.includes(roomId));
});

step("kick, ban, unban, leave and forget", async () => {
  const { room_id: id } = await alice.client.createRoom({
    preset: sdk.Preset.PublicChat,
    name: "The hallway",
  });
  const membership = () => bob.client.getRoom(id)?.getMyMembership();
  await bob.client.joinRoom(id);
  await bob.waitFor("the join", () => membership() === "join");
  await refused(bob.client.kick(id, alice.userId), 403, "M_FORBIDDEN");

  await alice.client.kick(id, bob.userId, "out");
  await bob.waitFor("the kick", () => membership() === "leave");
  const member = bob.room(id).getMember(bob.userId).events.member;
  assert.equal(member.getSender(), alice.userId);
  assert.equal(member.getContent().reason, "out");

  await bob.client.joinRoom(id);
  await bob.waitFor("the second join", () => membership() === "join");
  await alice.client.ban(id, bob.userId, "enough");
  await bob.waitFor("the ban", () => membership() === "ban");
  await refused(bob.client.joinRoom(id), 403, /^M_FORBIDDEN$|^M_BAD_STATE$/);

  await alice.client.unban(id, bob.userId);
  await bob.client.joinRoom(id);
  await bob.waitFor("the third join", () => membership() === "join");
  await bob.client.leave(id);
  await bob.waitFor("the leaving", () => membership() === "leave");
  await alice.waitFor(
    "bob's leaving",
    () => alice.room(id).getMember(bob.userId)?.membership === "leave",
  );
  await bob.client.forget(id);
  assert.equal(bob.client.getRoom(id), null);
  await refused(bob.client.roomState(id), 403, "M_FORBIDDEN");
});

step("an invitation is declined", async () => {
  const { room_id: id } = await alice.client.createRoom({
    preset: sdk.Preset.PrivateChat,
    is_direct: true,
    invite: [bob.userId],
  });
  const room = await bob.waitFor("the invitation", () => bob.client.getRoom(id));
  assert.equal(
    room.getMember(bob.userId).events.member.getContent().is_direct,
    true,
  );
  await bob.client.leave(id);
  await alice.waitFor(
    "the refusal",
    () => alice.client.getRoom(id)?.getMember(bob.userId)?.membership === "leave",
  );
});

for (const version of ["10", "11", "12"]) {
  step(`a room of version ${version} works`, async (t) => {
    const { available } = (await alice.client.getCapabilities())["m.room_versions"];
    if (available[version] === undefined) {
      assert.equal(version, "10", `room version ${version} is not offered`);
      t.skip("not offered");
      return;
    }
    const { room_id: id } = await alice.client.createRoom({
      preset: sdk.Preset.TrustedPrivateChat,
      room_version: version,
      invite: [bob.userId],
    });
    await bob.client.joinRoom(id);
    const { event_id: eventId } = await bob.client.sendTextMessage(id, version);
    await alice.waitForEvent(id, eventId);
    await bob.client.setRoomName(id, `Version ${version}`); // trusted: as powerful
    await alice.waitFor("the name", () => alice.room(id).name === `Version ${version}`);
    assert.equal(alice.room(id).getVersion(), version);
    await bob.client.redactEvent(id, eventId);
    const event = await alice.waitForEvent(id, eventId);
    await alice.waitFor("the redaction", () => event.isRedacted());
  });
}

step("a client with encryption starts and publishes its keys", async () => {
  const carol = await stage.register("carol");
  await carol.client.initRustCrypto({ useIndexedDB: false });
  await carol.start();
  await carol.waitForAnswer("POST", /\/keys\/upload$/);
  const { device_keys: keys } = await carol.client.downloadKeysForUsers([carol.userId]);
  const device = keys[carol.userId][carol.session.device_id];
  assert.equal(device.user_id, carol.userId);
  assert.ok(device.keys[`ed25519:${carol.session.device_id}`]);
  // Nothing is stored yet, and the specification answers that with 404.
  assert.deepEqual(
    unexpectedRefusals(carol, [
      { status: 404, path: /\/room_keys\/version$/ },
      { status: 404, path: /\/account_data\// },
      { status: 404, path: /\/dehydrated_device/ },
    ]),
    [],
  );
  carol.stop();
});

step("no request of the stock clients failed unexpectedly", async () => {
  for (const person of [alice, bob]) {
    const surprising = person.refusals.filter(
      ({ status, path }) => status >= 500 || /\/(sync|filter|pushrules|versions)/.test(path),
    );
    assert.deepEqual(surprising, []);
  }
});

step("logging out ends a token at once", async () => {
  bob.stop();
  await bob.client.logout();
  await refused(bob.client.whoami(), 401, "M_UNKNOWN_TOKEN");
  assert.equal((await alice.client.whoami()).user_id, alice.userId);
});
