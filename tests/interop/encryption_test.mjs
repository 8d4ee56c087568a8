// encryption_test.mjs: two people, one of them with several devices, talk in an
// encrypted room through stock matrix-js-sdk clients with the Rust crypto: they
// verify each other, back their keys up and restore them, across a kill -9.
// Which server that is: see stage.mjs.
import assert from "node:assert/strict";
import * as sdk from "matrix-js-sdk";
import {
  CryptoEvent,
  VerificationPhase,
  VerificationRequestEvent,
  VerifierEvent,
} from "matrix-js-sdk/lib/crypto-api/index.js";

import { PASSWORD, stage, step, unexpectedRefusals, username } from "./stage.mjs";

const { MatrixEventEvent } = sdk;
const SAS = "m.sas.v1";

let laptop, phone, tablet; // of Alice
let bob;
let roomId;
let recoveryKey; // of Alice's secret storage, as she would have written it down
const sent = []; // {id, body}: every message of the room

// What an application does to unlock secret storage: ask the user.
const cryptoCallbacks = {
  getSecretStorageKey: async ({ keys }) => {
    assert.ok(recoveryKey, "nobody has a recovery key yet");
    return [Object.keys(keys)[0], recoveryKey.privateKey];
  },
  cacheSecretStorageKey: () => {},
};

function cryptoOf(person) {
  return person.client.getCrypto();
}

async function startEncrypted(person) {
  await person.client.initRustCrypto({ useIndexedDB: false });
  await person.start();
  await person.waitForAnswer("POST", /\/keys\/upload$/);
  return person;
}

// Runs UIA with the password when the server asks for it.
function withPassword(name, asked) {
  return async (makeRequest) => {
    try {
      return await makeRequest(null);
    } catch (error) {
      assert.equal(error.httpStatus, 401, String(error));
      asked.push(name);
      return makeRequest({
        type: "m.login.password",
        identifier: { type: "m.id.user", user: username(name) },
        password: PASSWORD,
        session: error.data.session,
      });
    }
  };
}

async function say(person, body) {
  const { event_id: id } = await person.client.sendTextMessage(roomId, body);
  sent.push({ id, body });
  return id;
}

// Resolves once the event is in the timeline and readable.
async function reads(person, id) {
  const event = await person.waitForEvent(roomId, id);
  await person.when(`${id} to be readable`, person.client, MatrixEventEvent.Decrypted, () => {
    return !event.isBeingDecrypted() && !event.isDecryptionFailure() && event.getClearContent();
  });
  assert.equal(event.isEncrypted(), true);
  const message = sent.find((other) => other.id === id);
  assert.equal(event.getContent().body, message.body);
  return event;
}

// The next request for verification that reaches somebody.
function nextRequest(person) {
  let request;
  person.client.once(CryptoEvent.VerificationRequestReceived, (received) => {
    request = received;
  });
  return () =>
    person.when(
      "a request for verification",
      person.client,
      CryptoEvent.VerificationRequestReceived,
      () => request,
    );
}

function phaseOf(person, request, phase) {
  return person.when(
    `phase ${VerificationPhase[phase]}`,
    request,
    VerificationRequestEvent.Change,
    () => {
      assert.notEqual(request.phase, VerificationPhase.Cancelled, request.cancellationCode);
      return request.phase === phase;
    },
  );
}

async function emojiOf(person, verifier) {
  const shown = () => verifier.getShowSasCallbacks();
  return person.when("the emoji", verifier, VerifierEvent.ShowSas, shown);
}

// Both sides of a verification, from the request to its end: the two compare the
// emoji that their clients show.
async function verify(asking, asked, sendRequest) {
  const received = nextRequest(asked);
  const request = await sendRequest();
  const incoming = await received();
  assert.equal(incoming.transactionId, request.transactionId);
  await incoming.accept();
  await phaseOf(asking, request, VerificationPhase.Ready);
  const verifier = await request.startVerification(SAS);
  const done = [verifier.verify()];
  await phaseOf(asked, incoming, VerificationPhase.Started);
  done.push(incoming.verifier.verify());
  const [mine, theirs] = await Promise.all([
    emojiOf(asking, verifier),
    emojiOf(asked, incoming.verifier),
  ]);
  assert.deepEqual(mine.sas.emoji, theirs.sas.emoji);
  assert.equal(mine.sas.emoji.length, 7);
  await Promise.all([mine.confirm(), theirs.confirm()]);
  await Promise.all(done);
  await phaseOf(asking, request, VerificationPhase.Done);
  await phaseOf(asked, incoming, VerificationPhase.Done);
}

// What the server says of the current backup.
async function backupInfo(person) {
  const { status, body } = await person.raw("GET", "/_matrix/client/v3/room_keys/version");
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

step("clients with encryption start and publish their keys", async () => {
  laptop = await stage.register("alice", { cryptoCallbacks });
  bob = await stage.register("bob", { cryptoCallbacks: {} });
  await Promise.all([startEncrypted(laptop), startEncrypted(bob)]);
  const keys = await laptop.client.downloadKeysForUsers([laptop.userId, bob.userId]);
  for (const { session } of [laptop, bob]) {
    const device = keys.device_keys[session.user_id][session.device_id];
    assert.ok(device.keys[`ed25519:${session.device_id}`]);
  }
});

step("the first cross-signing keys need no password, others do", async () => {
  const asked = [];
  for (const [person, name] of [[laptop, "alice"], [bob, "bob"]]) {
    await cryptoOf(person).bootstrapCrossSigning({
      authUploadDeviceSigningKeys: withPassword(name, asked),
    });
    assert.equal(await cryptoOf(person).isCrossSigningReady(), true);
  }
  assert.deepEqual(asked, []);
  const before = await cryptoOf(laptop).getCrossSigningKeyId();
  await cryptoOf(laptop).bootstrapCrossSigning({
    setupNewCrossSigning: true,
    authUploadDeviceSigningKeys: withPassword("alice", asked),
  });
  assert.deepEqual(asked, ["alice"]);
  assert.notEqual(await cryptoOf(laptop).getCrossSigningKeyId(), before);
});

step("secret storage and a backup are set up", async () => {
  await cryptoOf(laptop).bootstrapSecretStorage({
    setupNewSecretStorage: true,
    setupNewKeyBackup: true,
    createSecretStorageKey: async () => {
      recoveryKey = await cryptoOf(laptop).createRecoveryKeyFromPassphrase();
      return recoveryKey;
    },
  });
  const status = await cryptoOf(laptop).getCrossSigningStatus();
  assert.equal(status.privateKeysInSecretStorage, true);
  const { ready, secretStorageKeyValidityMap: valid } =
    await cryptoOf(laptop).getSecretStorageStatus();
  assert.equal(ready, true, JSON.stringify(valid));
  const info = await backupInfo(laptop);
  assert.equal(info.count, 0);
  await cryptoOf(laptop).checkKeyBackupAndEnable();
  assert.equal(await cryptoOf(laptop).getActiveSessionBackupVersion(), info.version);
});

step("an encrypted room carries messages both ways", async () => {
  ({ room_id: roomId } = await laptop.client.createRoom({
    preset: sdk.Preset.PrivateChat,
    invite: [bob.userId],
    initial_state: [
      {
        type: "m.room.encryption",
        state_key: "",
        content: { algorithm: "m.megolm.v1.aes-sha2" },
      },
    ],
  }));
  await bob.waitFor("the invitation", () => bob.client.getRoom(roomId));
  await bob.client.joinRoom(roomId);
  await laptop.waitFor(
    "bob's join",
    () => laptop.client.getRoom(roomId)?.getMember(bob.userId)?.membership === "join",
  );
  await bob.waitFor("the room", () => bob.client.getRoom(roomId)?.getMyMembership() === "join");
  for (let i = 0; i < 4; i++) {
    const [from, to] = i % 2 === 0 ? [laptop, bob] : [bob, laptop];
    await reads(to, await say(from, `secret ${i}`));
  }
  const { body } = await bob.raw(
    "GET",
    `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/event/${sent[0].id}`,
  );
  assert.equal(body.type, "m.room.encrypted");
  assert.ok(!JSON.stringify(body).includes("secret"));
});

step("a new device is verified by an old one", async () => {
  phone = await stage.login(laptop, "alice's phone", { cryptoCallbacks });
  await startEncrypted(phone);
  const before = await cryptoOf(laptop).getDeviceVerificationStatus(
    laptop.userId,
    phone.session.device_id,
  );
  assert.ok(!before?.crossSigningVerified);
  await verify(phone, laptop, () => cryptoOf(phone).requestOwnUserVerification());
  for (const person of [laptop, phone]) {
    for (const { session } of [laptop, phone]) {
      await person.until(`${session.device_id} to be trusted`, async () => {
        const status = await cryptoOf(person).getDeviceVerificationStatus(
          laptop.userId,
          session.device_id,
        );
        return status?.crossSigningVerified;
      });
    }
  }
  // The signatures are on the server; the user-signing key is the owner's alone.
  const query = { device_keys: { [laptop.userId]: [] } };
  const { body: own } = await laptop.raw("POST", "/_matrix/client/v3/keys/query", query);
  const { body: seen } = await bob.raw("POST", "/_matrix/client/v3/keys/query", query);
  const [selfSigning] = Object.values(own.self_signing_keys[laptop.userId].keys);
  for (const { session } of [laptop, phone]) {
    for (const { device_keys: keys } of [own, seen]) {
      const { signatures } = keys[laptop.userId][session.device_id];
      assert.ok(signatures[laptop.userId][`ed25519:${selfSigning}`], session.device_id);
    }
  }
  assert.ok(own.user_signing_keys[laptop.userId]);
  assert.equal(seen.user_signing_keys?.[laptop.userId], undefined);
});

step("the new device is given the secrets and reads what is said", async () => {
  await phone.until("the cross-signing keys", async () => {
    const { privateKeysCachedLocally: cached } = await cryptoOf(phone).getCrossSigningStatus();
    return cached.masterKey && cached.selfSigningKey && cached.userSigningKey;
  });
  await phone.until("the backup's key", async () =>
    cryptoOf(phone).getSessionBackupPrivateKey(),
  );
  const id = await say(bob, "to both of your devices");
  await Promise.all([reads(laptop, id), reads(phone, id)]);
  await reads(bob, await say(phone, "from my phone"));
});

step("two people verify each other in their room", async () => {
  await verify(laptop, bob, () => cryptoOf(laptop).requestVerificationDM(bob.userId, roomId));
  for (const [person, other] of [[laptop, bob], [bob, laptop], [phone, bob]]) {
    await person.until(`${other.name} to be trusted by ${person.name}`, async () =>
      (await cryptoOf(person).getUserVerificationStatus(other.userId)).isCrossSigningVerified(),
    );
  }
  // Nobody else learns who verified whom.
  const { body } = await bob.raw("POST", "/_matrix/client/v3/keys/query", {
    device_keys: { [laptop.userId]: [] },
  });
  const { signatures } = body.master_keys[laptop.userId];
  assert.deepEqual(Object.keys(signatures).sort(), [laptop.userId, bob.userId].sort());
  const { body: own } = await laptop.raw("POST", "/_matrix/client/v3/keys/query", {
    device_keys: { [laptop.userId]: [] },
  });
  assert.deepEqual(Object.keys(own.master_keys[laptop.userId].signatures), [laptop.userId]);
});

step("killed in mid-conversation, keys and messages still arrive", async (t) => {
  if (stage.server === null) {
    t.skip("the server is not ours to kill");
    return;
  }
  const ids = [await say(bob, "just before the crash")];
  await stage.server.kill();
  await stage.server.start();
  const everybody = [laptop, phone, bob];
  await Promise.all(everybody.map((person) => person.waitForSyncState("SYNCING")));
  ids.push(await say(bob, "just after the crash"));
  ids.push(await say(laptop, "what was that?"));
  for (const id of ids) await Promise.all(everybody.map((person) => reads(person, id)));
});

step("every key of the room reaches the backup", async () => {
  const sessions = new Set();
  for (const event of await laptop.historyBackTo(roomId, sent[0].id)) {
    const { session_id: id } = event.getWireContent();
    if (event.isEncrypted()) sessions.add(id);
  }
  assert.ok(sessions.size >= 3, `${sessions.size} sessions`);
  await laptop.until("the backup of all keys", async () => {
    const { version } = await backupInfo(laptop);
    const { body } = await laptop.raw(
      "GET",
      `/_matrix/client/v3/room_keys/keys/${encodeURIComponent(roomId)}?version=${version}`,
    );
    return [...sessions].every((id) => body.sessions[id] !== undefined);
  });
});

step("a dehydrated device waits for what comes while nobody is there", async () => {
  assert.equal(await cryptoOf(laptop).isDehydrationSupported(), true);
  await cryptoOf(laptop).startDehydration();
  const { body } = await laptop.raw(
    "GET",
    "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device",
  );
  // Bob's client hears of it before he speaks.
  await bob.until("the dehydrated device", async () => {
    const devices = await cryptoOf(bob).getUserDeviceInfo([laptop.userId]);
    return devices.get(laptop.userId)?.has(body.device_id);
  });
});

step("a third device restores everything from the backup", async () => {
  // No other device is there that could be asked.
  laptop.stop();
  phone.stop();
  await Promise.all([laptop.client.logout(), phone.client.logout()]);
  const last = await say(bob, "are you still there?");
  tablet = await stage.login(laptop, "alice's tablet", { cryptoCallbacks });
  await startEncrypted(tablet);
  await cryptoOf(tablet).bootstrapCrossSigning({});
  assert.equal(await cryptoOf(tablet).isCrossSigningReady(), true);
  await cryptoOf(tablet).loadSessionBackupPrivateKeyFromSecretStorage();
  const check = await cryptoOf(tablet).checkKeyBackupAndEnable();
  assert.equal(check.trustInfo.trusted, true);
  const { imported, total } = await cryptoOf(tablet).restoreKeyBackup();
  assert.equal(imported, total);
  assert.equal(total, (await backupInfo(tablet)).count);
  const events = await tablet.historyBackTo(roomId, sent[0].id);
  for (const { id, body } of sent) {
    if (id === last) continue;
    const event = events.find((other) => other.getId() === id);
    await tablet.client.decryptEventIfNeeded(event);
    assert.equal(event.getContent().body, body);
  }
  // Bob trusts the new device, because Alice has signed it.
  await bob.until("the tablet to be trusted", async () => {
    const status = await cryptoOf(bob).getDeviceVerificationStatus(
      tablet.userId,
      tablet.session.device_id,
    );
    return status?.crossSigningVerified;
  });
  // What was said in between only the dehydrated device could receive.
  await cryptoOf(tablet).startDehydration({ rehydrate: true });
  await reads(tablet, last);
  await reads(bob, await say(tablet, "back again"));
});

step("no request of the stock clients failed unexpectedly", async () => {
  for (const person of [laptop, phone, tablet, bob]) {
    // What is not there yet is answered with 404, a first try of UIA with 401.
    assert.deepEqual(
      unexpectedRefusals(person, [
        { status: 404, path: /\/room_keys\/(version$|keys\/)/ },
        { status: 404, path: /\/account_data\// },
        { status: 404, path: /\/dehydrated_device/ },
        { status: 401, path: /\/device_signing\/upload$/ },
      ]),
      [],
    );
  }
});
