// keys.mjs: the history of one device's one-time keys, and whether a queue that
// gives each key once, the oldest first, can have produced it.
//
// Every call has a time at which it began and one at which it was answered; it
// took effect in between.  What had no answer may have taken effect at any time
// after it began, or never.
import { Violation } from "./http.mjs";

export class KeyHistory {
  #time = 0;
  #uploads = new Map(); // key id -> the upload that brought it
  #claims = new Map(); // key id -> the claim that was given it
  #empty = []; // claims that were given nothing
  #lost = 0; // claims without an answer
  #forgotten = new Set(); // ids that were given in a history that was verified

  constructor(device) {
    this.device = device;
  }

  // An upload is begun once, however often it is repeated.
  beginUpload(ids) {
    const upload = { began: ++this.#time, answered: Infinity };
    for (const id of ids) this.#uploads.set(id, upload);
    return upload;
  }
  beginClaim() {
    this.#lost++;
    return { began: ++this.#time, answered: Infinity };
  }
  answered(call) {
    call.answered = ++this.#time;
  }

  // `id` is undefined when there was no key.
  claimAnswered(claim, id) {
    this.answered(claim);
    this.#lost--;
    if (id === undefined) {
      this.#empty.push(claim);
      return;
    }
    if (this.#claims.has(id) || this.#forgotten.has(id)) this.#fail(`${id} was given twice`);
    if (!this.#uploads.has(id)) this.#fail(`nobody uploaded ${id}, which was given`);
    this.#claims.set(id, claim);
  }

  // `count` is what the server says is left; nothing is on its way.
  verify(count) {
    const keys = [...this.#uploads].map(([id, upload]) => ({
      id,
      upload,
      claim: this.#claims.get(id),
    }));
    this.#verifyOrder(keys);
    this.#verifyEmpty(keys);
    const acknowledged = keys.filter(({ upload }) => upload.answered < Infinity).length;
    const most = keys.length - this.#claims.size;
    const least = acknowledged - this.#claims.size - this.#lost;
    if (count > most || count < least) {
      this.#fail(`${count} keys are left; it must be ${least} to ${most}`);
    }
  }

  // Makes the history shorter; what was verified stays given.
  forget() {
    for (const id of this.#claims.keys()) {
      this.#forgotten.add(id);
      this.#uploads.delete(id);
    }
    this.#claims.clear();
    this.#empty = [];
  }

  // A key of a later upload was given before the claim of an earlier one began.
  #verifyOrder(keys) {
    const given = keys.filter(({ claim }) => claim !== undefined);
    given.sort((a, b) => a.claim.answered - b.claim.answered);
    let newest = null; // of those given so far, the one whose upload began last
    let next = 0;
    for (const key of [...given].sort((a, b) => a.claim.began - b.claim.began)) {
      for (; next < given.length && given[next].claim.answered < key.claim.began; next++) {
        const other = given[next];
        if (newest === null || other.upload.began > newest.upload.began) newest = other;
      }
      if (newest !== null && key.upload.answered < newest.upload.began) {
        this.#fail(`${newest.id} was given before ${key.id}, which is older`);
      }
    }
  }

  // Nothing was given while a key was certainly there.
  #verifyEmpty(keys) {
    for (const claim of this.#empty) {
      const there = keys.filter(
        (key) =>
          key.upload.answered < claim.began &&
          (key.claim === undefined || key.claim.began > claim.answered),
      );
      // Those that nobody was given may have gone to claims without an answer.
      const certain = there.filter((key) => key.claim !== undefined);
      if (certain.length > 0 || there.length > this.#lost) {
        this.#fail(`a claim was given nothing while ${there[0].id} was there`);
      }
    }
  }

  #fail(what) {
    throw new Violation(`one-time keys of ${this.device}: ${what}`);
  }
}
