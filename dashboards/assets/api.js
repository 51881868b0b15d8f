// The API, and the stream of what changes. A token, where one is needed, stays
// in this tab and goes only to this server.

const KEY = "unship.token";

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (t) => (t ? sessionStorage.setItem(KEY, t) : sessionStorage.removeItem(KEY)),
};

export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  const headers = { ...(options.headers ?? {}) };
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (e) {
    if (options.signal?.aborted) throw e;
    throw new Refusal(0, "The server cannot be reached. Is unship running? This page tries again by itself.");
  }
  if (answer.ok) return answer;
  let message = `The server answered ${answer.status}.`;
  try {
    message = (await answer.json()).error ?? message;
  } catch {
    // the answer is not from Unship: its status has to do
  }
  throw new Refusal(answer.status, message);
}

export const get = async (path) => (await ask(path)).json();
export const getText = async (path) => (await ask(path)).text();

export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await ask(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

const SILENCE = 45_000; // three heartbeats missed
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 30_000;

// follow reads the event stream for ever. on.event(name, data) gets each event,
// on.lost(error) is told when the stream breaks, before it is tried again.
// It ends when a token is asked for.
export async function follow(on) {
  let wait = FIRST_WAIT;
  for (;;) {
    const started = Date.now();
    try {
      await stream(on);
      on.lost(new Refusal(0, "The server closed the stream."));
    } catch (e) {
      on.lost(e);
      if (e.status === 401 || e.status === 403) return;
    }
    if (Date.now() - started > LONGEST_WAIT) wait = FIRST_WAIT;
    await new Promise((done) => setTimeout(done, wait * (0.75 + Math.random() / 2)));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

async function stream(on) {
  const stop = new AbortController();
  let silence = setTimeout(() => stop.abort(), SILENCE);
  try {
    const answer = await ask("/api/v1/events", { signal: stop.signal });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(() => stop.abort(), SILENCE);
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) deliver(part, on);
    }
  } finally {
    clearTimeout(silence);
    stop.abort();
  }
}

function deliver(part, on) {
  let name = "message";
  let data = "";
  for (const line of part.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    if (line.startsWith("data: ")) data += line.slice(6);
  }
  if (data) on.event(name, JSON.parse(data));
}
