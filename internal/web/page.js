"use strict";
// Keeps the page up to date from the stream of figures. Everything shown is text set by textContent; nothing is ever parsed as HTML.
(() => {
  const $ = (id) => document.getElementById(id);
  const thin = "\u202f";
  const kept = 120; // samples of a sparkline
  document.documentElement.classList.add("on");

  const count = (n) => String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, thin);
  const rate = (n) => (n > 0 && n < 9.95 ? n.toFixed(1) : count(n));
  function bytes(n) {
    let unit = 0;
    for (; n >= 999.5 && unit < 5; unit++) n /= 1000;
    return n.toFixed(unit > 0 && n < 9.95 ? 1 : 0) + thin + ["B", "kB", "MB", "GB", "TB", "PB"][unit];
  }
  function span(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    if (s < 60) return s + thin + "s";
    if (s < 3600) return Math.floor(s / 60) + thin + "min";
    if (s < 86400) return Math.floor(s / 3600) + thin + "h " + Math.floor((s % 3600) / 60) + thin + "min";
    return Math.floor(s / 86400) + thin + "d " + Math.floor((s % 86400) / 3600) + thin + "h";
  }
  function time(seconds) { // undefined: it has not happened
    if (seconds === undefined) return "–";
    let v = seconds * 1e6, unit = 0;
    for (; v >= 999.5 && unit < 2; unit++) v /= 1000;
    return v.toFixed(unit > 0 && v < 9.95 ? 1 : 0) + thin + ["µs", "ms", "s"][unit];
  }
  function set(node, text) { // only what changed: the rest need not be laid out again
    if (node && node.textContent !== text) node.textContent = text;
  }

  // Sparklines: a line over a wash, from the newest at the right edge.
  const history = new Map();
  function trace(svg, key, value) {
    let past = history.get(key);
    if (!past) history.set(key, (past = []));
    past.push(value);
    if (past.length > kept) past.shift();
    if (!svg.firstChild) {
      for (const name of ["area", "line"]) {
        const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
        path.setAttribute("class", name);
        svg.append(path);
      }
    }
    const top = Math.max(...past, 1e-9);
    const step = 120 / (kept - 1);
    const from = 120 - (past.length - 1) * step;
    const points = past.map((v, i) => `${(from + i * step).toFixed(1)} ${(27 - 25 * v / top).toFixed(1)}`);
    svg.lastChild.setAttribute("d", "M" + points.join("L"));
    svg.firstChild.setAttribute("d", `M${from.toFixed(1)} 28L${points.join("L")}L120 28Z`);
  }

  // Rates are differences between two samples, by the clock of the samples. A figure that fell belongs to a process that began anew.
  let before = null;
  let elapsed = 0;
  const per = (now, then) => (elapsed > 0 && then !== undefined && now >= then ? (now - then) / elapsed : 0);

  const reasons = { check: "checks fail", failure: "connect failed" };
  const tones = { blacklisted: "told", drained: "told" };
  const servers = new Map();
  function showServer(v) {
    let row = document.querySelector(`#rows tr[data-number="${v.number}"]`);
    if (!row) {
      row = $("row").content.firstElementChild.cloneNode(true);
      row.dataset.number = v.number;
      if (v.number < 0) row.querySelector(".acts")?.replaceChildren();
      const after = [...$("rows").children].find((r) => order(Number(r.dataset.number)) > order(v.number));
      $("rows").insertBefore(row, after || null);
    }
    const cell = (name) => row.querySelector(`[data-k=${name}]`);
    let words = v.usable ? "up" : v.out.map((why) => reasons[why] || why).join(", ");
    const left = v.out_until ? (new Date(v.out_until) - now) / 1000 : 0;
    if (left > 0) words += ", " + span(left);
    set(cell("state"), words);
    cell("state").className = "dot " + (v.usable ? "good" : tones[v.out[0]] || "bad");
    set(cell("name"), v.name);
    set(cell("number"), v.number >= 0 ? "#" + v.number : v.number === -1 ? "emergency" : "abuse");
    set(cell("address"), v.name !== v.address ? " · " + v.address : "");
    set(cell("live"), count(v.connections));
    set(cell("limit"), v.soft_limit ? " of " + count(v.soft_limit) : "");
    set(cell("connects"), count(v.connects));
    set(cell("failures"), count(v.failures));
    set(cell("weight"), String(v.weight));
    row.querySelector("summary")?.setAttribute("aria-label", "Actions for " + v.name);
    const was = servers.get(v.name);
    if (was) {
      const up = per(v.bytes_up, was.bytes_up), down = per(v.bytes_down, was.bytes_down);
      set(cell("rate"), rate(per(v.connects, was.connects)));
      set(cell("up"), bytes(up));
      set(cell("down"), bytes(down));
      trace(row.querySelector(".spark"), "server " + v.name, up + down);
    } else {
      for (const name of ["rate", "up", "down"]) set(cell(name), "–");
    }
    servers.set(v.name, v);
  }
  const order = (number) => (number >= 0 ? number : 1e6 - number); // the emergency server after all others

  function showEndings(ended) {
    const most = Math.max(0, ...Object.values(ended));
    $("no-endings").hidden = most > 0;
    for (const row of $("causes").tBodies[0].rows) {
      const n = ended[row.dataset.cause] || 0;
      set(row.lastElementChild, count(n));
      row.hidden = n === 0;
      row.querySelector(".fill").setAttribute("width", n ? Math.max(0.7, 100 * n / most) : 0);
    }
  }

  // What is shown of the last minute are differences to a sample of about then. Samples are kept every ten seconds.
  let marks = [];
  function mark10(f) {
    if (before && before.started !== f.started) marks = [];
    if (marks.length && now - marks[marks.length - 1].at < 10000) return;
    const tallies = new Map([...f.servers, ...f.others].map((v) => [v.name, [v.connect_times.classes, v.first_byte_times.classes]]));
    marks.push({ at: now, tallies, busy: f.loops.each.map((l) => l.busy) });
    if (marks.length > 7) marks.shift();
  }
  // quantile is that of counts by class, less those of a former sample. Within a class times are spread evenly.
  function quantile(q, classes, then, bounds) {
    const n = classes.map((v, i) => v - (then ? then[i] : 0));
    const all = n.reduce((a, v) => a + v, 0);
    if (!(all > 0)) return undefined;
    let below = 0;
    for (let i = 0; i < bounds.length; i++) {
      if (n[i] > 0 && below + n[i] >= q * all) return (bounds[i - 1] || 0) + (bounds[i] - (bounds[i - 1] || 0)) * (q * all - below) / n[i];
      below += n[i];
    }
    return bounds[bounds.length - 1];
  }
  // fill makes a table's rows say what is given: each the text of a heading and those of its cells; which of them are words and not numbers.
  function fill(body, rows, words) {
    while (body.rows.length > rows.length) body.lastElementChild.remove();
    rows.forEach((texts, i) => {
      let row = body.rows[i];
      if (!row) {
        row = document.createElement("tr");
        row.append(...texts.map((text, k) => cell(k === 0 ? "th" : "td", text, k > 0 && k !== words)));
        body.append(row);
      }
      texts.forEach((text, k) => set(row.cells[k], text));
    });
  }
  function showDetails(f) {
    const then = marks.length ? marks[0].tallies : new Map();
    const endings = (ended) => Object.entries(ended).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([cause, n]) => cause.replaceAll("_", " ") + " " + count(n)).join(", ");
    fill($("detail-rows"), [...f.servers, ...f.others].map((v) => {
      const was = then.get(v.name) || [];
      const times = [v.connect_times, v.first_byte_times].flatMap((t, i) => [.5, .99].map((q) => time(quantile(q, t.classes, was[i], f.time_bounds))));
      const checks = v.checks ? [count(v.checks.passed), count(v.checks.failed), time(v.checks.last || undefined)] : ["", "", ""];
      return [v.name || "none", ...times, ...checks, endings(v.ended)];
    }), 8);
  }
  function showLoops(loops) {
    const past = before ? before.loops.each : [];
    const then = marks.length > 1 ? marks[marks.length - 2] : marks[0]; // ten seconds ago or more: what is estimated is steadier over that
    set($("imbalance"), loops.accept_imbalance.toFixed(2));
    fill($("loop-rows"), loops.each.map((l, i) => {
      const was = past[i] || {}, over = then ? (now - then.at) / 1000 : 0;
      const busy = over > 0 ? (100 * Math.min(1, (l.busy - then.busy[i]) / over)).toFixed(0) + thin + "%" : "–";
      return [String(l.number), l.cpu === undefined ? "any" : String(l.cpu), busy, count(l.connections), rate(per(l.accepted, was.accepted)),
        bytes(per(l.bytes_up, was.bytes_up)), bytes(per(l.bytes_down, was.bytes_down)), count(per(l.events, was.events)), count(l.stale_events)];
    }));
  }

  // The last abnormal endings are asked for when connections have ended since, every three seconds at most.
  let closesAt = -1, closesTold = 0;
  async function showCloses() {
    let list;
    try {
      list = await (await fetch("/api/v1/closes")).json();
    } catch { return; /* the stream says that there is no answer */ }
    $("closes-rows").replaceChildren(...list.map((c) => {
      const row = document.createElement("tr");
      const time = new Date(c.ended);
      row.append(cell("td", time.toTimeString().slice(0, 8) + "." + String(time.getMilliseconds()).padStart(3, "0")), cell("td", c.client), cell("td", c.server), cell("td", c.why),
        cell("td", c.cause.replaceAll("_", " ") + (c.error ? ": " + c.error : "")), cell("td", c.lasted.toFixed(3) + thin + "s", true),
        cell("td", bytes(c.bytes_up), true), cell("td", bytes(c.bytes_down), true));
      return row;
    }));
    $("closes-table").hidden = list.length === 0;
    $("no-closes").hidden = list.length > 0;
  }

  let now = new Date();
  function show(f) {
    now = new Date(f.time);
    elapsed = before && before.started === f.started ? (now - new Date(before.time)) / 1000 : 0;
    const t = f.totals, c = t.counts, b = before && before.totals.counts;
    set($("listen"), f.listen);
    set($("ready"), f.draining ? "draining" : f.ready ? "ready" : "no server is usable");
    $("ready").className = "pill " + (f.ready && !f.draining ? "good" : "bad");
    set($("uptime"), span((now - new Date(f.started)) / 1000));
    set($("sum-live"), count(t.connections));
    set($("sum-clients"), count(f.clients.known));
    set($("sum-queue"), count(t.in_queue));
    set($("sum-backlog"), count(f.listening.waiting));
    trace($("spark-live"), "live", t.connections);
    trace($("spark-queue"), "queue", t.in_queue + f.listening.waiting);
    trace($("spark-clients"), "clients", f.clients.known);
    if (b && elapsed > 0) {
      const accepted = per(c.accepted, b.accepted), up = per(c.bytes_up, b.bytes_up), down = per(c.bytes_down, b.bytes_down);
      set($("sum-rate"), rate(accepted));
      set($("sum-up"), bytes(up));
      set($("sum-down"), bytes(down));
      trace($("spark-rate"), "rate", accepted);
      trace($("spark-up"), "up", up);
      trace($("spark-down"), "down", down);
    }
    const present = new Set(f.servers.map((v) => String(v.number)));
    for (const row of [...$("rows").children]) if (!present.has(row.dataset.number)) row.remove();
    f.servers.forEach(showServer);
    offer($("suppose-server"), f.servers);
    $("no-servers").hidden = f.servers.length > 0;
    showEndings(t.ended);
    showDetails(f);
    showLoops(f.loops);
    mark10(f);
    set($("pipes-open"), count(f.loops.pipes_open));
    set($("pipes-idle"), count(f.loops.pipes_idle));
    set($("pipes-refused"), count(f.loops.pipes_refused));
    set($("pipe-size"), f.loops.pipe_size ? f.loops.pipe_size / 1024 + thin + "KiB" : "none yet");
    set($("spliced"), bytes(c.spliced));
    set($("copied"), bytes(c.copied));
    set($("accept-errors"), count(c.accept_errors));
    set($("accept-pauses"), count(c.accept_pauses));
    set($("limit-reached"), count(c.limit_reached));
    set($("rate-reached"), count(c.accept_rate_reached));
    set($("queued"), count(c.queued));
    set($("tarpitted"), count(c.tarpitted));
    set($("backlog"), count(f.listening.most));
    set($("drops"), count(f.listening.host_drops));
    set($("stale"), count(c.stale_events));
    set($("evicted"), count(f.clients.evicted));
    set($("returned"), count(c.clients_returned));
    set($("newcomers"), count(c.clients_new));
    set($("lost"), count(f.log_lines_dropped));
    const sum = Object.values(t.ended).reduce((a, n) => a + n, 0);
    if (sum !== closesAt && now - closesTold >= 3000) {
      closesAt = sum;
      closesTold = now;
      showCloses();
    }
    before = f;
  }

  // The stream. A browser comes back by itself unless it was refused; a page that nobody sees watches nothing.
  let stream = null, retry = 0;
  function mark(text, late) {
    set($("live"), text);
    $("live").classList.toggle("late", late);
  }
  function watch() {
    if (stream || document.hidden) return;
    stream = new EventSource("/api/v1/events");
    stream.addEventListener("figures", (e) => { show(JSON.parse(e.data)); mark("live", false); });
    stream.onerror = () => {
      mark("no answer since " + now.toTimeString().slice(0, 8), true);
      if (stream.readyState === EventSource.CLOSED) {
        stream = null;
        clearTimeout(retry);
        retry = setTimeout(watch, 5000);
      }
    };
  }
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) return watch();
    stream?.close();
    stream = null;
  });

  // Clients.
  function cell(kind, text, number) {
    const node = document.createElement(kind);
    node.textContent = text;
    if (kind === "th") node.scope = "row";
    if (number) node.className = "n";
    return node;
  }
  async function find() {
    const query = $("address").value.trim();
    let found;
    try {
      const answer = await fetch("/api/v1/clients?" + new URLSearchParams({ address: query }));
      found = await answer.json();
      if (!answer.ok) throw new Error(found.error);
    } catch (trouble) {
      $("client-table").hidden = true;
      set($("found"), trouble.message);
      return;
    }
    const named = new Map((before ? before.servers : []).map((v) => [v.number, v.name]));
    $("client-rows").replaceChildren(...found.list.map((c) => {
      const row = document.createElement("tr");
      row.append(cell("th", c.address), cell("td", named.get(c.server) || "none"), cell("td", count(c.connects), true), cell("td", bytes(c.bytes_up), true),
        cell("td", bytes(c.bytes_down), true), cell("td", span((Date.now() - new Date(c.last_seen)) / 1000) + " ago", true));
      return row;
    }));
    $("client-table").hidden = found.list.length === 0;
    set($("found"), found.total === 0 ? "Nobody found." : count(found.total) + " found" + (found.total > found.list.length ? `, the ${found.list.length} seen last` : ""));
  }
  async function explain() {
    const query = $("address").value.trim();
    $("why").hidden = true;
    if (!/^[0-9a-f.:]*[.:][0-9a-f.:]*$/i.test(query)) return; // not one address
    try {
      const answer = await fetch("/api/v1/explain?" + new URLSearchParams({ address: query }));
      if (!answer.ok) return;
      $("why").replaceChildren(...(await answer.json()).map((step) => {
        const line = document.createElement("div");
        line.append(cell("dt", step.topic), cell("dd", step.text));
        return line;
      }));
      $("why").hidden = false;
    } catch { /* find has said it */ }
  }
  $("search").addEventListener("submit", (e) => { e.preventDefault(); find(); explain(); });

  // What if. The change is named as the control port names it.
  function offer(select, servers) {
    const wanted = servers.filter((v) => v.number >= 0).map((v) => [String(v.number), `#${v.number} ${v.name}`]);
    if (wanted.length === select.length && wanted.every(([value, text], i) => select[i].value === value && select[i].textContent === text)) return;
    const chosen = select.value;
    select.replaceChildren(...wanted.map(([value, text]) => new Option(text, value, false, value === chosen)));
  }
  function asks() {
    const valued = "valued" in $("suppose-change").selectedOptions[0].dataset;
    $("suppose-value").hidden = !valued;
    $("suppose-value").required = valued;
    return valued;
  }
  const place = (p) => p.name || "nowhere";
  async function suppose() {
    const what = ["server", $("suppose-server").value, $("suppose-change").value];
    if (asks()) what.push($("suppose-value").value);
    let f;
    try {
      const answer = await fetch("/api/v1/simulate?" + new URLSearchParams({ what: what.join(" ") }));
      f = await answer.json();
      if (!answer.ok) throw new Error(f.error);
    } catch (trouble) {
      $("forecast").hidden = true;
      set($("supposed"), trouble.message);
      return;
    }
    $("load-rows").replaceChildren(...f.servers.map((v) => {
      const row = document.createElement("tr");
      row.append(cell("th", place(v)));
      for (const [at, then] of [[v.clients_now, v.clients_then], [v.connections_now, v.connections_then]]) {
        const after = cell("td", count(then), true);
        after.classList.toggle("more", then > at);
        row.append(cell("td", count(at), true), after);
      }
      return row;
    }));
    const moves = (m, kind) => m.moves.map((v) => {
      const row = document.createElement("tr");
      row.append(cell("td", place(v.from)), cell("td", place(v.to)), cell("td", count(v.count) + " " + kind, true));
      return row;
    });
    $("move-rows").replaceChildren(...moves(f.clients, "clients"), ...moves(f.connections, "connections"));
    $("moves-table").hidden = $("move-rows").rows.length === 0;
    set($("supposed"), `${count(f.clients.moved)} of ${count(f.clients.total)} clients and ${count(f.connections.moved)} of ${count(f.connections.total)} connections would move.`);
    $("forecast").hidden = false;
  }
  $("suppose-change").addEventListener("change", asks);
  $("suppose").addEventListener("submit", (e) => { e.preventDefault(); suppose(); });
  asks();

  // Actions. The token stays in this page's memory and nowhere else.
  let token = "";
  let fading = 0;
  function say(text) {
    set($("said"), text);
    $("said").hidden = false;
    clearTimeout(fading);
    fading = setTimeout(() => { $("said").hidden = true; }, 6000);
  }
  function ask(what) {
    return new Promise((done) => {
      const dialog = $("ask");
      set($("ask-what"), what);
      $("token").value = "";
      dialog.returnValue = "";
      dialog.onclose = () => done(dialog.returnValue === "yes" ? $("token").value.trim() : "");
      dialog.showModal();
    });
  }
  const bodies = { lift: () => ({ seconds: 0 }), blacklist: (n) => ({ seconds: n }), weight: (n) => ({ weight: n }) };
  async function act(number, name, verb, value) {
    if (!token && !(token = await ask(`${verb} ${name}`))) return;
    const path = verb === "lift" ? "blacklist" : verb;
    const body = bodies[verb] ? JSON.stringify(bodies[verb](value)) : undefined;
    try {
      const answer = await fetch(`/api/v1/servers/${number}/${path}`, { method: "POST", headers: { Authorization: "Bearer " + token }, body });
      const said = await answer.json();
      if (answer.status === 401) token = "";
      if (!answer.ok) throw new Error(said.error);
      now = new Date();
      showServer(said);
      say(`${name}: ${verb} done`);
    } catch (trouble) {
      say(trouble.message);
    }
  }
  $("rows").addEventListener("click", (e) => {
    const button = e.target.closest("button[data-do]");
    if (!button) return;
    const row = button.closest("tr"), verb = button.dataset.do;
    const value = row.querySelector(`[data-for=${verb}]`);
    button.closest("details").open = false;
    act(row.dataset.number, row.querySelector("[data-k=name]").textContent, verb, value ? Number(value.value) : 0);
  });
  document.addEventListener("keydown", (e) => {
    if (e.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details[open]")) { menu.open = false; menu.firstElementChild.focus(); }
  });
  document.addEventListener("click", (e) => {
    for (const menu of document.querySelectorAll("details[open]")) if (!menu.contains(e.target)) menu.open = false;
  });

  watch();
  find();
})();
