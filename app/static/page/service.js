// Calls of the service's own API: one place that knows headers, problems, and how to follow a job.

export class Problem extends Error {
  constructor(document) {
    super(document.detail || document.title || "the service did not answer");
    this.title = document.title || "Error";
    this.type = document.type || "";
  }
}

// Address of the service, with the path that a proxy may have put before it.
export const base = new URL(".", location.href);

function addressOf(path) {
  const isUnderBase = !path.startsWith("/") || path.startsWith(base.pathname);
  return new URL(isUnderBase ? path : `.${path}`, base);
}

let apiKey = "";
export const useKey = (key) => { apiKey = key.trim(); };

export async function call(path, options = {}) {
  const headers = new Headers(options.headers);
  if (apiKey) headers.set("Authorization", `Bearer ${apiKey}`);
  let answer;
  try {
    answer = await fetch(addressOf(path), { ...options, headers });
  } catch {
    throw new Problem({ title: "No answer", detail: "the service cannot be reached" });
  }
  if (!answer.ok) throw new Problem(await problemOf(answer));
  return answer;
}

async function problemOf(answer) {
  try {
    return await answer.json();
  } catch {
    return { title: `${answer.status} ${answer.statusText}` };
  }
}

export const json = async (path, options) => (await call(path, options)).json();
export const blob = async (path) => (await call(path)).blob();

// Submits and answers a prediction, whatever the service answers at first; tells progress on the way.
export async function predict(request, onProgress) {
  const answer = await call("/api/v1/predictions", { method: "POST", ...request });
  const document = await answer.json();
  if (answer.status === 200) return document;
  onProgress(document);
  const job = await follow(document, onProgress);
  if (job.phase !== "COMPLETED") {
    throw new Problem({ title: job.phase === "ABORTED" ? "Cancelled" : "No prediction", ...(job.error || {}) });
  }
  return json(job.links.prediction);
}

async function follow(job, onProgress) {
  const isFinal = (one) => ["COMPLETED", "ERROR", "ABORTED"].includes(one.phase);
  let latest = job;
  try {
    for await (const event of events(job.links.events)) {
      if (!event.phase) continue;
      latest = event;
      onProgress(latest);
      if (isFinal(latest)) break;
    }
  } catch {
    // a broken stream costs the progress bar, not the prediction
  }
  while (!isFinal(latest)) {
    latest = await json(`${job.links.self}?wait=20`);
    onProgress(latest);
  }
  return json(job.links.self);
}

// Server-sent events as an async iterator: EventSource could not send the key.
async function* events(path) {
  const answer = await call(path, { headers: { Accept: "text/event-stream" } });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      pending += value.replaceAll("\r\n", "\n");
      const messages = pending.split("\n\n");
      pending = messages.pop();
      for (const message of messages) {
        const data = message.split("\n").filter((line) => line.startsWith("data:"));
        if (data.length) yield JSON.parse(data.map((line) => line.slice(5).trim()).join("\n"));
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
