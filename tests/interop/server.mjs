// server.mjs: a homeserver as a child process that a test starts, kills and
// starts again on the same data and port.
//
// How to start one is the business of a launch script (see launch/): called
// with a data directory and a port, it prepares the directory and prints the
// command line.  MATRIX_LAUNCH names the script; launch/matrixcore is the
// default and takes the binary from HOMESERVER.
import { execFileSync, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const START_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_MS = 20_000;

async function freePort() {
  const listener = net.createServer();
  await new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(0, "127.0.0.1", resolve);
  });
  const { port } = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  return port;
}

// One GET of /versions; true when it answered 200.
function answers(port) {
  return new Promise((resolve) => {
    const request = http.get(
      { host: "127.0.0.1", port, path: "/_matrix/client/versions", agent: false },
      (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode === 200));
        response.on("error", () => resolve(false));
      },
    );
    request.setTimeout(5_000, () => request.destroy());
    request.on("error", () => resolve(false));
  });
}

export class Server {
  #child = null;
  #exit = null; // a promise of {code, signal}

  constructor(dataDir, port, launch) {
    this.dataDir = dataDir;
    this.port = port;
    this.launch = launch;
    this.baseUrl = `http://127.0.0.1:${port}`;
    this.logFile = path.join(dataDir, "stdout.log");
    this.env = {}; // beside that of this process, from the next start on
  }

  // A server on a new temporary directory and a free port; not started.
  static async create({ launch = process.env.MATRIX_LAUNCH } = {}) {
    const dataDir = mkdtempSync(path.join(tmpdir(), "matrix-server-"));
    return new Server(
      dataDir,
      await freePort(),
      launch || path.join(HERE, "launch", "matrixcore"),
    );
  }

  get pid() {
    return this.#child?.pid;
  }

  // Executes the server without waiting until it answers.
  spawn() {
    const argv = execFileSync(this.launch, [this.dataDir, String(this.port)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    })
      .trimEnd()
      .split("\n");
    const log = openSync(this.logFile, "a");
    const child = spawn(argv[0], argv.slice(1), {
      cwd: this.dataDir,
      env: { ...process.env, ...this.env },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#child = child;
    this.#exit = new Promise((resolve) => {
      child.once("error", (error) => resolve({ code: -1, signal: null, error }));
      child.once("exit", (code, signal) => resolve({ code, signal }));
    });
  }

  // Executes the server and resolves with the milliseconds until it answered;
  // rejects when it ends or stays silent.
  async start() {
    const began = performance.now();
    this.spawn();
    let ended = null;
    this.#exit.then((how) => (ended = how));
    while (!(await answers(this.port))) {
      if (ended !== null) {
        throw new Error(
          `the server ended at start: ${JSON.stringify(ended)}\n${this.logTail()}`,
        );
      }
      if (performance.now() - began > START_TIMEOUT_MS) {
        throw new Error(`the server does not answer\n${this.logTail()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    return performance.now() - began;
  }

  // Ends it as a power cut would: no handler of its own runs.
  async kill() {
    if (this.#child === null) return;
    this.#child.kill("SIGKILL");
    const how = await this.#exit;
    this.#child = null;
    if (how.signal !== "SIGKILL") {
      throw new Error(
        `the server had ended before it was killed: ${JSON.stringify(how)}\n` +
          this.logTail(),
      );
    }
  }

  // Asks it to end; resolves with its {code, signal}.
  async stop() {
    if (this.#child === null) return { code: 0, signal: null };
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    const how = await this.#exit;
    clearTimeout(timer);
    this.#child = null;
    return how;
  }

  logTail(lines = 40) {
    try {
      return readFileSync(this.logFile, "utf8").split("\n").slice(-lines).join("\n");
    } catch (error) {
      return `(no log: ${error.code})`;
    }
  }

  removeData() {
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
