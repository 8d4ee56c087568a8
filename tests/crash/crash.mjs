// crash.mjs: kills a homeserver at random points under load, and holds it to
// every answer it gave.  See README.md.
import { parseArgs } from "node:util";

import { Server } from "../interop/server.mjs";
import { Http, Violation } from "./http.mjs";
import { Dice } from "./ledger.mjs";
import { World } from "./world.mjs";

const KILLS_PER_GENERATION = 12;
const LONGEST_LOAD_MS = 1_000;
// Now and then another server is killed while it makes its database.
const ONE_FIRST_START_IN = 8;
const LONGEST_FIRST_START_MS = 150;
// A log so small that it is moved into the database all the time; other
// homeservers do not know the variable.
const SMALL_LOG = { MATRIXCORE__DATABASE__WAL_BYTES: "65536" };

function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      kills: { type: "string", default: "30" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      workers: { type: "string", default: "12" },
      observers: { type: "string", default: "3" },
      launch: { type: "string" },
      without: { type: "string", default: "" },
      keep: { type: "boolean", default: false },
    },
  });
  if (positionals.length > 0) process.env.HOMESERVER = positionals[0];
  const number = (name) => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${values[name]}`);
    return value;
  };
  return {
    kills: number("kills"),
    seed: number("seed"),
    workers: number("workers"),
    observers: number("observers"),
    launch: values.launch,
    without: values.without.split(","),
    keep: values.keep,
  };
}

// Load until the dice say stop; then the kill.
async function loadAndKill(world, server, dice, seed) {
  let stopped = false;
  let stop;
  const stopping = new Promise((resolve) => (stop = resolve));
  const timer = setTimeout(stop, dice.between(1, LONGEST_LOAD_MS));
  const limit = world.answered + dice.between(1, 400);
  world.onAnswer = () => {
    if (world.answered >= limit) stop();
  };
  for (const observer of world.observers) observer.start();
  const running = world.workers.map((worker) =>
    worker.run(new Dice(seed + worker.number * 7919), () => stopped),
  );
  const failed = Promise.all(running).then(() => stopping);
  await Promise.race([stopping, failed]);
  clearTimeout(timer);
  stopped = true;
  await server.kill();
  await Promise.all(running);
  await Promise.all(world.observers.map((observer) => observer.ended()));
}

// Starts the server and kills it on the way, that many times.
async function killStarts(server, dice, times, longest) {
  for (let i = 0; i < times; i++) {
    server.spawn();
    await new Promise((resolve) => setTimeout(resolve, dice.between(0, longest)));
    await server.kill();
  }
}

// Starts the server again; now and then it is killed on the way.  Every third
// time kills will hit the moving of its log.
async function restart(server, dice) {
  server.env = dice.below(3) === 0 ? SMALL_LOG : {};
  let early = 0;
  while (dice.below(6) === 0) early++;
  await killStarts(server, dice, early, 120);
  const ms = await server.start();
  return { early, ms };
}

// A server that is killed while it is started for the first time, when it makes
// its keys and its tables; then it must serve, and keep what it says.
async function firstStart(launch, dice) {
  const server = await Server.create({ launch });
  const kills = 1 + dice.below(3);
  try {
    await killStarts(server, dice, kills, LONGEST_FIRST_START_MS);
    await server.start();
    const http = new Http(server.port);
    const world = new World(http, { workers: 1, observers: 1 });
    await world.setUp([]);
    await server.kill();
    http.reconnect();
    await server.start();
    await world.login(world.workers[0].user);
    await world.verify(true);
    http.close();
  } catch (error) {
    console.log(`crash: a server that was killed at its first start: ${server.dataDir}`);
    console.log(server.logTail());
    throw error;
  } finally {
    await server.stop();
  }
  server.removeData();
  return kills;
}

async function run(server, { kills, seed, workers, observers, without, launch }) {
  const http = new Http(server.port);
  const world = new World(http, { workers, observers });
  await server.start();
  const features = await world.setUp(without);
  console.log(`crash: seed ${seed}, ${kills} kills; also tested: ${features.join(", ") || "-"}`);
  const dice = new Dice(seed);
  const every = kills <= 60 ? 5 : 50;
  const starts = [];
  let early = 0;
  let first = 0;
  for (let kill = 1; kill <= kills; kill++) {
    if ((kill - 1) % KILLS_PER_GENERATION === 0) await world.newRooms();
    await loadAndKill(world, server, dice, seed + kill * 104729);
    http.reconnect();
    const restarted = await restart(server, dice);
    early += restarted.early;
    starts.push(restarted.ms);
    if (dice.below(ONE_FIRST_START_IN) === 0) first += await firstStart(launch, dice);
    await Promise.all(world.workers.map((worker) => worker.repeat(dice)));
    await world.verify(kill % KILLS_PER_GENERATION === 0 || kill === kills);
    if (kill % every === 0 || kill === kills) {
      console.log(
        `crash: kill ${kill}/${kills}, ${world.answered} operations acknowledged, ` +
          `${world.unanswered} cut off, answered again after ${restarted.ms.toFixed(0)} ms`,
      );
    }
  }
  const limited = world.observers.reduce((sum, { limited: n }) => sum + n, 0);
  starts.sort((a, b) => a - b);
  return (
    `${kills} kills (and ${early} while starting, ${first} while starting for the first time), ` +
    `${world.answered} operations acknowledged, ` +
    `${world.events} events each found once, ${world.unanswered} cut off, ` +
    `${world.repeated} of them repeated, ${limited} limited timelines; ` +
    `restart median ${starts[starts.length >> 1].toFixed(0)} ms, ` +
    `longest ${starts.at(-1).toFixed(0)} ms`
  );
}

async function main() {
  const chosen = options();
  const server = await Server.create({ launch: chosen.launch });
  const began = performance.now();
  try {
    const result = await run(server, chosen);
    const how = await server.stop();
    if (how.code !== 0) throw new Violation(`SIGTERM: ended with ${JSON.stringify(how)}`);
    console.log(`crash: PASS in ${((performance.now() - began) / 1000).toFixed(0)} s: ${result}`);
    if (!chosen.keep) server.removeData();
  } catch (error) {
    console.log(`crash: FAIL with --seed ${chosen.seed}: ${error.stack}`);
    console.log(`crash: the data is in ${server.dataDir}; the server's last words:`);
    console.log(server.logTail());
    await server.stop();
    process.exitCode = 1;
  }
}

await main();
