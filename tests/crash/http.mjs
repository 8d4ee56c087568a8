// http.mjs: JSON over keep-alive connections, with the difference that a crash
// test lives on: an answer (whatever it says), or no answer.
import http from "node:http";

const REQUEST_TIMEOUT_MS = 180_000;

// There was no answer: the request may or may not have been carried out.
export class NoAnswer extends Error {}

// The server broke a promise.  Ends the run.
export class Violation extends Error {}

export class Http {
  constructor(port) {
    this.port = port;
    this.reconnect();
  }

  close() {
    this.agent.destroy();
  }

  // Forgets the connections to a server that is no more.
  reconnect() {
    this.agent?.destroy();
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
  }

  // Resolves with {status, body}; rejects with NoAnswer.
  request(method, path, { token, body } = {}) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {};
    if (token !== undefined) headers.Authorization = `Bearer ${token}`;
    if (text !== undefined) {
      headers["Content-Type"] = "application/json";
      headers["Content-Length"] = Buffer.byteLength(text);
    }
    return new Promise((resolve, reject) => {
      const fail = (error) => reject(new NoAnswer(`${method} ${path}: ${error.message}`));
      const request = http.request(
        { host: "127.0.0.1", port: this.port, method, path, headers, agent: this.agent },
        (response) => {
          const parts = [];
          response.on("data", (part) => parts.push(part));
          response.on("error", fail);
          response.on("aborted", () => fail(new Error("cut off")));
          response.on("end", () => {
            if (!response.complete) return;
            const received = Buffer.concat(parts).toString("utf8");
            try {
              resolve({ status: response.statusCode, body: JSON.parse(received) });
            } catch {
              reject(
                new Violation(
                  `${method} ${path}: ${response.statusCode} is not JSON: ` +
                    received.slice(0, 200),
                ),
              );
            }
          });
        },
      );
      request.setTimeout(REQUEST_TIMEOUT_MS, () => {
        request.destroy(new Error(`no answer within ${REQUEST_TIMEOUT_MS} ms`));
      });
      request.on("error", fail);
      request.end(text);
    });
  }

  // As request(), for what must succeed: resolves with the body.
  async call(method, path, options = {}) {
    const { status, body } = await this.request(method, path, options);
    if (status !== 200) {
      throw new Violation(
        `${method} ${path} ${JSON.stringify(options.body ?? null)}: ` +
          `${status} ${JSON.stringify(body)}`,
      );
    }
    return body;
  }
}

// The path of a client endpoint: each part escaped, a query from an object.
export function v3(parts, query = {}) {
  const path = ["/_matrix/client/v3", ...parts.map(encodeURIComponent)].join("/");
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined);
  return pairs.length === 0 ? path : `${path}?${new URLSearchParams(pairs)}`;
}
