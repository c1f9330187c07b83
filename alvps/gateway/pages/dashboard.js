// The dashboard: what the host's control API says, as it changes. Whatever comes from there becomes text, never markup.
"use strict";

const $ = (id) => document.getElementById(id);
const SILENCE = 40_000; // ms; the host says something every 15 s
const MOST_LINES = 2000; // of the log, in the page
const SURE_FOR = 4000; // ms in which a second press counts

// ---- talking to the host

class Problem extends Error {}

async function ask(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem("The host cannot be reached.");
  }
  if (answer.status === 401) {
    location.replace("/login");
    throw new Problem("You are logged out.");
  }
  const found = await answer.json().catch(() => ({ error: `the host answered ${answer.status}` }));
  if (!answer.ok && answer.status !== 503) throw new Problem(found.error + (found.hint ? ` (${found.hint})` : ""));
  if (!answer.ok) throw new Problem(found.error ?? "not now");
  return found;
}

async function act(method, path, body) {
  try {
    const found = await ask(method, path, body);
    say("");
    refreshSoon();
    return found;
  } catch (error) {
    say(error.message);
    return null;
  }
}

function say(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

// ---- making and changing elements

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "data") Object.assign(element.dataset, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

function set(element, text) {
  const now = text ?? "–";
  if (element.textContent !== String(now)) element.textContent = now;
}

function setState(element, is, text) {
  element.dataset.is = is;
  set(element, text ?? is);
}

// A button that wants to be pressed twice, because what it does cannot be undone.
function sureButton(text, label, then) {
  const button = make("button", { type: "button", textContent: text, ariaLabel: label });
  let timer = 0;
  const calm = () => {
    button.textContent = text;
    button.ariaLabel = label;
    button.classList.remove("sure");
    timer = 0;
  };
  button.addEventListener("click", () => {
    if (timer) {
      clearTimeout(timer);
      calm();
      then();
      return;
    }
    button.textContent = `${text}: sure?`;
    button.ariaLabel = `${label}: press again to do it`;
    button.classList.add("sure");
    timer = setTimeout(calm, SURE_FOR);
  });
  return button;
}

function button(text, label, then) {
  const made = make("button", { type: "button", textContent: text, ariaLabel: label });
  made.addEventListener("click", then);
  return made;
}

// Rows by key: what has not changed is left alone, so that the focus stays where it is.
function table(id, build, update) {
  const body = $(id).tBodies[0];
  const labels = [...$(id).tHead.rows[0].cells].map((cell) => cell.textContent);
  const none = $(id).parentElement.querySelector(".none");
  const rows = new Map();
  return (items, key) => {
    const wanted = new Set(items.map(key));
    for (const [name, row] of rows) {
      if (!wanted.has(name)) {
        row.element.remove();
        rows.delete(name);
      }
    }
    items.forEach((item, place) => {
      let row = rows.get(key(item));
      if (!row) {
        const cells = labels.map(() => make("div"));
        const columns = labels.map((label, number) => make("td", { data: { label } }, cells[number]));
        row = { element: make("tr", { data: { key: key(item) } }, ...columns), parts: build(cells, item) };
        rows.set(key(item), row);
      }
      update(row.parts, item);
      if (body.children[place] !== row.element) body.insertBefore(row.element, body.children[place] ?? null);
    });
    $(id).hidden = items.length === 0;
    none.hidden = items.length > 0;
  };
}

// ---- time

let ahead = 0; // ms by which the host's clock is before ours
const seconds = (time) => (Date.parse(time) - (Date.now() + ahead)) / 1000;

function span(length) {
  if (length < 60) return `${Math.floor(length)} s`;
  if (length < 3600) return `${Math.floor(length / 60)} min`;
  if (length < 172_800) return `${Math.floor(length / 3600)} h`;
  return `${Math.floor(length / 86_400)} days`;
}

function ago(time) {
  if (!time) return "–";
  const away = seconds(time);
  return away > 0 ? `in ${span(away)}` : away > -1 ? "now" : `${span(-away)} ago`;
}

// An element that says how long ago something was, and goes on saying it.
function setWhen(element, time) {
  element.dataset.time = time ?? "";
  element.title = time ?? "";
  set(element, ago(time));
}

setInterval(() => {
  for (const element of document.querySelectorAll("[data-time]")) set(element, ago(element.dataset.time));
}, 1000);

// ---- agents

const showAgents = table(
  "agents",
  (cells, agent) => {
    const [name, state, running, queued, starts, next, last, today, actions] = cells;
    const parts = { running, queued, starts, today };
    parts.state = state.appendChild(make("span", { className: "state" }));
    parts.waits = state.appendChild(make("div", { className: "quiet" }));
    parts.next = next.appendChild(make("span"));
    parts.last = last.appendChild(make("span", { className: "state" }));
    parts.ended = last.appendChild(make("span"));
    last.insertBefore(document.createTextNode(" "), parts.ended);
    parts.result = last.appendChild(make("div", { className: "quiet" }));
    parts.run = button("run", `run ${agent.name}`, () => openStart(agent.name));
    parts.pause = button("pause", `pause ${agent.name}`, () => {
      act("POST", `/agents/${agent.name}/${parts.paused ? "resume" : "pause"}`);
    });
    parts.kill = sureButton("kill", `kill all runs of ${agent.name}`, () => act("POST", `/agents/${agent.name}/kill`));
    parts.log = button("log", `log of ${agent.name}`, () => openLog({ agent: agent.name }));
    actions.append(parts.run, parts.pause, parts.kill, parts.log);
    set(name, agent.name);
    return parts;
  },
  (parts, agent) => {
    parts.paused = agent.paused;
    const is = agent.paused ? "paused" : agent.running ? "running" : agent.waits && agent.queued ? "waits" : "idle";
    setState(parts.state, is, agent.scale === 0 ? "off" : is);
    set(parts.waits, is === "waits" ? agent.waits : "");
    set(parts.running, `${agent.running}/${agent.scale}`);
    set(parts.queued, agent.queued);
    const hooks = agent.webhooks.length ? `webhooks: ${agent.webhooks.join(", ")}` : "";
    const zone = agent.timezone === "UTC" ? "" : ` (${agent.timezone})`;
    const schedule = agent.schedule ? agent.schedule + zone : "";
    set(parts.starts, [schedule, hooks].filter(Boolean).join("; ") || "hand");
    setWhen(parts.next, agent.paused ? null : agent.next);
    const last = agent.last;
    setState(parts.last, last?.state ?? "none", last ? last.state : "–");
    if (last) setWhen(parts.ended, last.finished);
    else set(parts.ended, "");
    set(parts.result, last?.result ?? "");
    set(parts.today, used(agent.today));
    set(parts.pause, agent.paused ? "resume" : "pause");
    parts.pause.ariaLabel = `${agent.paused ? "resume" : "pause"} ${agent.name}`;
    parts.run.disabled = agent.scale === 0;
    parts.kill.disabled = agent.running + agent.queued === 0;
  },
);

function used({ runs, tokens, cost }) {
  if (!runs) return "–";
  const parts = [runs === 1 ? "1 run" : `${runs} runs`];
  if (tokens) parts.push(`${tokens.toLocaleString("en", { notation: "compact" })} tokens`);
  if (cost) parts.push(`$${cost.toFixed(2)}`);
  return parts.join(", ");
}

function openStart(agent) {
  $("start-title").textContent = `Run ${agent}`;
  $("prompt").value = "";
  $("start").dataset.agent = agent;
  $("start").showModal();
  $("prompt").focus();
}

$("start-do").addEventListener("click", async () => {
  const agent = $("start").dataset.agent;
  const prompt = $("prompt").value;
  $("start").close();
  const found = await act("POST", "/runs", prompt ? { agent, prompt } : { agent });
  if (found) openLog({ run: found.run });
});
$("start-not").addEventListener("click", () => $("start").close());

// ---- runs and deliveries

const OVER = new Set(["completed", "rerun", "failed", "timed-out", "killed", "lost"]);

const showRuns = table(
  "runs",
  (cells, run) => {
    const [name, agent, trigger, state, when, why, actions] = cells;
    name.append(make("span", { className: "run", textContent: run.run }));
    set(agent, run.agent);
    set(trigger, run.trigger);
    const parts = { why: why.appendChild(make("span")) };
    parts.state = state.appendChild(make("span", { className: "state" }));
    parts.when = when.appendChild(make("span"));
    parts.kill = sureButton("kill", `kill run ${run.run}`, () => act("POST", `/runs/${run.run}/kill`));
    const log = button("log", `log of run ${run.run}`, () => openLog({ run: run.run }));
    actions.append(log, parts.kill);
    return parts;
  },
  (parts, run) => {
    setState(parts.state, run.state);
    setWhen(parts.when, run.finished ?? run.started ?? run.queued);
    set(parts.why, [run.status, run.fault, run.reason].filter(Boolean).join(" · "));
    parts.kill.hidden = OVER.has(run.state);
  },
);

const showDeliveries = table(
  "deliveries",
  (cells, delivery) => {
    const [name, source, event, decision, when] = cells;
    name.append(make("span", { className: "run", textContent: delivery.delivery }));
    set(source, delivery.source);
    set(event, [delivery.event, delivery.action].filter(Boolean).join(" ") || "–");
    const parts = { decision: decision.appendChild(make("span", { className: "state" })) };
    parts.reason = decision.appendChild(make("div", { className: "quiet" }));
    parts.when = when.appendChild(make("span"));
    return parts;
  },
  (parts, delivery) => {
    setState(parts.decision, delivery.decision);
    set(parts.reason, delivery.reason ?? "");
    setWhen(parts.when, delivery.received);
  },
);

let refreshing = 0;
let live = [];

function refreshSoon() {
  if (!refreshing) refreshing = setTimeout(refresh, 300);
}

async function refresh() {
  try {
    const [{ runs }, { deliveries }] = await Promise.all([ask("GET", "/runs?limit=15"), ask("GET", "/deliveries?limit=20")]);
    const newer = new Map(live.map((run) => [run.run, run]));
    const recent = runs.filter((run) => !newer.has(run.run));
    showRuns([...newer.values(), ...recent].sort((a, b) => (a.run < b.run ? 1 : -1)), (run) => run.run);
    showDeliveries(deliveries, (delivery) => delivery.delivery);
  } catch {
    // The line says that it is lost; what is shown stays.
  } finally {
    refreshing = 0;
  }
}

setInterval(refreshSoon, 10_000); // a delivery that matches nothing changes no status

// ---- the status, as it changes

let version = null;

function show(status) {
  version ??= status.version;
  if (status.version !== version) location.reload(); // this page is of another version than the host is by now
  ahead = Date.parse(status.now) - Date.now();
  document.title = `${status.project} · al`;
  set($("project"), status.project);
  set($("release"), `${status.release} · al ${status.version}`);
  $("warnings").replaceChildren(...status.warnings.map((text) => make("li", { textContent: text })));
  if (status.paused) $("warnings").prepend(make("li", { textContent: "Everything is paused: nothing is started." }));
  $("warnings").hidden = !$("warnings").children.length;
  set($("pause-all"), status.paused ? "resume all" : "pause all");
  $("pause-all").dataset.paused = status.paused ? "yes" : "";
  $("pause-all").hidden = false;
  live = status.runs;
  showAgents(status.agents, (agent) => agent.name);
  refreshSoon();
}

$("pause-all").addEventListener("click", () => act("POST", $("pause-all").dataset.paused ? "/resume" : "/pause"));
$("logout").addEventListener("click", async () => {
  if (await act("POST", "/logout")) location.replace("/login");
});

function line(state, text) {
  $("line").dataset.state = state;
  set($("line"), text);
}

let events = null;
let silence = 0;

function heard() {
  line("live", "live");
  clearTimeout(silence);
  silence = setTimeout(lost, SILENCE);
}

function lost() {
  line("lost", "connection lost, trying again");
  if (events) events.close();
  events = null;
  clearTimeout(silence);
  silence = setTimeout(watch, 2000);
}

async function watch() {
  try {
    show(await ask("GET", "/status"));
  } catch {
    lost();
    return;
  }
  events = new EventSource("/events");
  events.addEventListener("status", (event) => {
    heard();
    show(JSON.parse(event.data));
  });
  events.addEventListener("heartbeat", heard);
  events.addEventListener("end", lost);
  events.addEventListener("error", lost);
}

// ---- the log

let reading = { query: {}, cursor: null, timer: 0, number: 0 };

function openLog(query, move = true) {
  clearTimeout(reading.timer);
  reading = { query, cursor: null, timer: 0, number: reading.number + 1 };
  const of = query.run ? `run ${query.run}` : query.agent ?? "everything";
  set($("log-title"), `Log of ${of}`);
  $("log-all").hidden = of === "everything";
  $("log").replaceChildren();
  $("log-none").hidden = true;
  if (move) {
    $("log-section").scrollIntoView({ block: "start" });
    $("log-title").focus({ preventScroll: true });
  }
  read(reading);
}

async function read(mine) {
  let pause = 1000;
  try {
    const asked = new URLSearchParams({ ...mine.query, limit: mine.cursor ? 500 : 200 });
    if (mine.cursor) asked.set("cursor", mine.cursor);
    const page = await ask("GET", `/logs?${asked}`);
    if (mine.number !== reading.number) return;
    mine.cursor = page.cursor;
    addLines(page.lines);
    if (page.more) pause = 0;
  } catch (error) {
    if (mine.number !== reading.number) return;
    pause = 3000;
    if ($("line").dataset.state === "live") say(error.message);
  }
  mine.timer = setTimeout(() => read(mine), pause);
}

function addLines(lines) {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(...lines.map(lineOf));
  while (log.children.length > MOST_LINES) log.firstChild.remove();
  $("log-none").hidden = log.children.length > 0;
  if (atEnd) log.scrollTop = log.scrollHeight;
  else if (lines.length) $("log-end").hidden = false;
}

function clock(time) {
  const today = time.toDateString() === new Date().toDateString();
  const day = today ? "" : `${time.toLocaleDateString([], { month: "2-digit", day: "2-digit" })} `;
  return day + time.toLocaleTimeString([], { hour12: false });
}

function lineOf(said) {
  const who = [said.agent, said.component === "agent" ? null : said.component, said.run?.slice(-6)];
  const level = said.priority <= 3 ? "bad" : said.priority === 4 ? "warn" : "";
  const more = said.component === "agent" ? Object.entries(said.fields).filter(([name]) => name !== "ts") : [];
  const text = [said.text, ...more.map(([name, value]) => `${name}=${JSON.stringify(value)}`)].join(" ");
  return make(
    "li",
    { data: { from: said.component, level } },
    make("time", { dateTime: said.time, title: said.time, textContent: clock(new Date(said.time)) }),
    make("span", { className: "who", title: said.run ?? "", textContent: who.filter(Boolean).join(" · ") }),
    make("span", { className: "text", textContent: text }),
  );
}

$("log").addEventListener("scroll", () => {
  const log = $("log");
  if (log.scrollHeight - log.scrollTop - log.clientHeight < 40) $("log-end").hidden = true;
});
$("log-end").addEventListener("click", () => {
  $("log").scrollTop = $("log").scrollHeight;
});
$("log-all").addEventListener("click", () => openLog({}));

watch();
openLog({}, false);
