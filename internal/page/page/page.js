"use strict";
(() => {
  // Whatever a server has named is data: it becomes text nodes and attributes, never markup.
  const byId = (id) => document.getElementById(id);
  const root = document.documentElement;
  const data = JSON.parse(byId("data").textContent);

  // How each fate is shown: the class that colours it, and its words.
  const fates = {
    delete: { class: "goes", words: "delete" },
    deleted: { class: "goes", words: "deleted" },
    gone: { class: "goes", words: "gone already" },
    keep: { class: "stays", words: "keep" },
    terminating: { class: "unknown", words: "being deleted" },
    skipped: { class: "stays", words: "changed, kept" },
    unknown: { class: "unknown", words: "unknown" },
    failed: { class: "unknown", words: "failed" },
    waiting: { class: "unknown", words: "waits" },
  };
  const classOf = (o) => fates[o.fate].class;

  // The order of the fields is that of pageData.row in page_data.go.
  const text = (index) => data.texts[index];
  const objects = data.objects.map((row, index) => ({
    index, kind: row[0], name: text(row[1]), session: text(row[2]), template: text(row[3]),
    fate: row[4], reason: text(row[5]), start: row[6], end: row[7], due: row[8],
    why: text(row[9]), detail: text(row[10]), links: (row[11] || []).map(text), searchText: "",
  }));
  const firstTime = (o) => o.start || o.end;
  const lastTime = (o) => o.end || o.start;
  const sessionsOf = (o) => (o.session ? [o.session] : o.links);

  // A row of the time line: what belongs to one session, by its tag or by inference. Its lead is the object whose fate
  // and times the row shows.
  const sessions = new Map();
  const sessionRow = (id) => {
    let row = sessions.get(id);
    if (!row) sessions.set(id, row = { id, template: "", own: null, lead: null, cfs: [], others: [], began: 0 });
    return row;
  };
  for (const o of objects) {
    for (const id of sessionsOf(o)) {
      const row = sessionRow(id);
      if (o.kind === "CFSSession") row.cfs.push({ object: o, tagged: !!o.session });
      else if (o.kind === "Session") row.own = o;
      else row.others.push(o);
      row.template = row.template || o.template;
    }
  }
  for (const row of sessions.values()) {
    row.lead = row.own || row.others[0] || row.cfs[0].object;
    const all = [row.own, ...row.others, ...row.cfs.map((c) => c.object)].filter((o) => o && firstTime(o));
    row.began = all.length ? (row.own && row.own.start) || Math.min(...all.map(firstTime)) : 0;
  }

  // What the reader has chosen. The address holds it, so that a choice can be passed on.
  const initial = {
    q: "", kind: "", fate: "", reason: "", template: "", sort: "", dir: "asc", page: 1, rows: 50, time: 1,
  };
  const rowChoices = [25, 50, 200, 1000];
  let state = { ...initial };
  const readAddress = () => {
    state = { ...initial };
    for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
      if (!(key in initial)) continue;
      state[key] = typeof initial[key] === "number" ? Math.max(1, parseInt(value, 10) || 1) : value;
    }
    if (!rowChoices.includes(state.rows)) state.rows = initial.rows;
  };
  const addressOf = (s) =>
    "#" + new URLSearchParams(Object.entries(s).filter(([key, value]) => value !== initial[key]));
  const change = (changes) => {
    state = { ...state, ...changes };
    const address = addressOf(state);
    history.replaceState(null, "", address === "#" ? location.pathname + location.search : address);
    draw();
  };

  const fill = (element, attributes, children) => {
    for (const name in attributes) element.setAttribute(name, attributes[name]);
    element.append(...children);
    return element;
  };
  const el = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
  const svg = (name, attributes, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

  const minute = 60, hour = 60 * minute, day = 24 * hour;
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const twoDigits = (n) => String(n).padStart(2, "0");
  const formatClock = (s) => {
    const d = new Date(s * 1000);
    return twoDigits(d.getUTCHours()) + ":" + twoDigits(d.getUTCMinutes());
  };
  const formatDay = (s) => {
    const d = new Date(s * 1000);
    return d.getUTCDate() + " " + months[d.getUTCMonth()];
  };
  const formatDate = (s) => formatDay(s) + " " + new Date(s * 1000).getUTCFullYear();
  const formatTime = (s) => (s ? formatDate(s) + ", " + formatClock(s) + " UTC" : "not known");
  const formatNumber = (n) => n.toLocaleString("en-US");
  const formatDuration = (s) => {
    for (const [name, length] of [["day", day], ["hour", hour], ["minute", minute]]) {
      const n = Math.floor(s / length);
      if (n >= 2 || n === 1 && name !== "day") return n + " " + name + (n === 1 ? "" : "s");
    }
    return s < 0 ? "in the future" : "less than a minute";
  };

  // The list of objects.
  const searchText = (o) => {
    const texts = [o.name, o.session, o.template, o.kind, o.reason, o.fate, o.why, o.detail, ...o.links];
    return o.searchText || (o.searchText = texts.join("\n").toLowerCase());
  };
  const choices = ["kind", "fate", "reason", "template"];
  const selectObjects = () => {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = (o) => choices.every((key) => !state[key] || o[key] === state[key]);
    return objects.filter((o) => chosen(o) && words.every((word) => searchText(o).includes(word)));
  };

  const columns = [
    { key: "name", title: "Object", by: (o) => o.name },
    { key: "kind", title: "Kind", by: (o) => data.kinds.indexOf(o.kind) },
    { key: "template", title: "Template", by: (o) => o.template },
    { key: "fate", title: "What happens", by: (o) => data.fates.indexOf(o.fate) },
    { key: "why", title: "Why", by: (o) => o.why },
    { key: "age", title: "Age", by: (o) => (lastTime(o) ? data.now - lastTime(o) : "") },
    { key: "due", title: "Can be deleted from", by: (o) => o.due || "" },
  ];
  // What is not known comes last, in either direction. Among equals the order of the plan decides.
  const sortObjects = (list) => {
    const column = columns.find((c) => c.key === state.sort);
    if (!column) return list;
    const sign = state.dir === "desc" ? -1 : 1;
    return list.map((o) => [column.by(o), o]).sort(([a, x], [b, y]) =>
      (a === "") - (b === "") || sign * (a < b ? -1 : a > b ? 1 : 0) || x.index - y.index).map(([, o]) => o);
  };

  const objectRow = (o) => {
    const name = el("th", { scope: "row" }, o.name);
    const owner = o.session && o.session !== o.name ? "of " + o.session
      : o.links.length ? "by inference of " + o.links.join(" and ") : "";
    if (owner) name.append(el("span", { class: "of" }, owner));
    const why = el("td", { class: "why" }, o.why);
    if (o.detail) why.append(el("small", {}, o.detail));
    const age = lastTime(o) ? formatDuration(data.now - lastTime(o)) : "–";
    return el("tr", {}, name, el("td", {}, o.kind), el("td", {}, o.template || "–"),
      el("td", {}, el("span", { class: "chip " + classOf(o) }, fates[o.fate].words)), why,
      el("td", { class: "when", title: formatTime(lastTime(o)) }, age),
      el("td", { class: "when", title: o.due ? formatTime(o.due) : "" }, o.due ? formatDate(o.due) : "–"));
  };

  const heads = columns.map((column) => {
    const button = el("button", { type: "button" }, column.title);
    button.onclick = () => {
      const turned = state.sort === column.key && state.dir === "asc";
      change({ sort: column.key, dir: turned ? "desc" : "asc", page: 1 });
    };
    return { column, button, th: el("th", { scope: "col" }, button) };
  });
  byId("objects").tHead.append(el("tr", {}, ...heads.map((head) => head.th)));

  // drawPager lets the reader turn pages, and returns the page to show.
  const drawPager = (place, key, count, perPage, noun) => {
    const last = Math.max(1, Math.ceil(count / perPage));
    const page = Math.min(state[key], last);
    const button = (title, target, disabled) => {
      const b = el("button", { type: "button" }, title);
      b.disabled = disabled;
      b.onclick = () => change({ [key]: target });
      return b;
    };
    const from = formatNumber((page - 1) * perPage + 1), to = formatNumber(Math.min(count, page * perPage));
    const range = count ? `${from} to ${to} of ${formatNumber(count)} ${noun}` : `no ${noun}`;
    const focused = place.contains(document.activeElement) ? [...place.children].indexOf(document.activeElement) : -1;
    place.replaceChildren(
      el("span", {}, range), button("Back", page - 1, page === 1), button("Next", page + 1, page === last));
    if (key === "page") {
      const choice = el("select", {}, ...rowChoices.map((n) => el("option", { value: n }, n)));
      choice.value = state.rows;
      choice.onchange = () => change({ rows: Number(choice.value), page: 1 });
      place.append(el("label", {}, "Rows on a page ", choice));
    }
    if (focused >= 0 && place.children[focused]) place.children[focused].focus(); // who uses the keyboard stays there
    return page;
  };

  const drawObjects = (list) => {
    for (const { column, button, th } of heads) {
      const sorted = column.key === state.sort, down = state.dir === "desc";
      button.textContent = column.title + (sorted ? (down ? " ▼" : " ▲") : "");
      if (sorted) th.setAttribute("aria-sort", down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
    const page = drawPager(byId("pager"), "page", list.length, state.rows, "objects");
    const shown = list.slice((page - 1) * state.rows, page * state.rows);
    byId("objects").tBodies[0].replaceChildren(...shown.map(objectRow));
  };

  // Both pictures of sessions have their axis of time between left and 30 units before the right edge.
  const rowsPerPage = 40, pictureWidth = 1180, left = 300, rowHeight = 34, top = 24;
  const axisWidth = pictureWidth - left - 30;
  const tickSteps = [
    minute, 5 * minute, 10 * minute, hour, 3 * hour, 6 * hour, 12 * hour,
    day, 2 * day, 7 * day, 14 * day, 28 * day, 91 * day, 365 * day,
  ];
  const ticks = (from, to) => {
    const step = tickSteps.find((s) => (to - from) / s <= 9) || tickSteps[tickSteps.length - 1];
    const all = [];
    for (let t = Math.ceil(from / step) * step; t <= to; t += step) {
      all.push({ time: t, label: step < day && t % day ? formatClock(t) : formatDay(t) });
    }
    return all;
  };

  // The overview counts all sessions by when they began. A click leads to those of that time.
  const bins = 90, overviewHeight = 70;
  const countBins = (past, from, to) => {
    const counts = Array.from({ length: bins }, () => ({ goes: 0, unknown: 0, stays: 0, all: 0, first: -1 }));
    past.forEach((row, i) => {
      const bin = counts[Math.min(bins - 1, Math.floor((row.began - from) / (to - from) * bins))];
      bin[classOf(row.lead)]++;
      bin.all++;
      if (bin.first < 0) bin.first = i;
    });
    return counts;
  };
  const overviewColumn = (bin, x, width, most, title) => {
    const whole = svg("rect", { class: "whole", x, y: 4, width, height: overviewHeight });
    const column = svg("g", { class: "column" }, whole);
    let y = overviewHeight + 4;
    for (const part of ["goes", "unknown", "stays"]) {
      const height = bin[part] / most * overviewHeight;
      y -= height;
      if (height) column.append(svg("rect", { class: part, x: x + .8, y, width: width - 1.6, height }));
    }
    column.append(svg("title", {}, title));
    if (bin.first >= 0) column.onclick = () => change({ time: Math.floor(bin.first / rowsPerPage) + 1 });
    return column;
  };
  const drawOverview = (rows, page) => {
    const past = rows.filter((row) => row.began <= data.now);
    if (rows.length <= rowsPerPage || !past.length) return byId("overview").replaceChildren();
    const from = past[past.length - 1].began, to = Math.max(data.now, from + 600);
    const x = (t) => left + (t - from) / (to - from) * axisWidth, width = axisWidth / bins;
    const counts = countBins(past, from, to);
    const most = Math.max(...counts.map((bin) => bin.all));
    const label = `${past.length} sessions by the time when they began, from ${formatTime(from)} to ${formatTime(to)}`;
    const picture = svg("svg",
      { viewBox: `0 0 ${pictureWidth} ${overviewHeight + 24}`, role: "img", "aria-label": label },
      svg("text", { x: 4, y: 14 }, `All ${formatNumber(past.length)} sessions, by when they began`),
      svg("text", { x: left - 8, y: 14, "text-anchor": "end" }, formatNumber(most)));
    const below = past.slice((page - 1) * rowsPerPage, page * rowsPerPage);
    if (below.length) {
      const begin = x(below[below.length - 1].began), end = x(below[0].began);
      const size = { width: Math.max(6, end - begin + 4), height: overviewHeight + 4 };
      picture.append(svg("rect", { class: "window", x: begin - 2, y: 0, ...size }),
        svg("text", { x: 4, y: 30 }, "shaded: the time of those below"));
    }
    counts.forEach((bin, i) => {
      const start = formatTime(Math.round(from + i * (to - from) / bins));
      const title = `from ${start}: ${bin.all} sessions, ${bin.goes} to delete`;
      picture.append(overviewColumn(bin, left + i * width, width, most, title));
    });
    const base = overviewHeight + 4;
    picture.append(svg("line", { class: "grid", x1: left, x2: pictureWidth - 30, y1: base, y2: base }));
    for (const { time } of ticks(from, to)) {
      picture.append(svg("text", { x: x(time), y: overviewHeight + 18, "text-anchor": "middle" }, formatDay(time)));
    }
    byId("overview").replaceChildren(picture);
  };

  // The time line shows the sessions of one page against one axis, the newest first.
  const drawTimeline = (list) => {
    const ids = new Set(list.flatMap(sessionsOf));
    // What began in the future, by some wrong clock, comes last: it would stretch the axis of the newest.
    const inFuture = (row) => row.began > data.now;
    const rows = [...ids].map((id) => sessions.get(id)).filter((row) => row.began)
      .sort((a, b) => inFuture(a) - inFuture(b) || b.began - a.began);
    const page = drawPager(byId("time-pager"), "time", rows.length, rowsPerPage, "sessions");
    drawOverview(rows, page);
    const shown = rows.slice((page - 1) * rowsPerPage, page * rowsPerPage);
    byId("time").replaceChildren(...(shown.length ? [timelinePicture(shown)] : []));
    return rows.length;
  };
  const timelinePicture = (rows) => {
    const earliest = Math.min(...rows.map((row) => row.began));
    const latest = Math.max(...rows.flatMap((row) => [row.began, row.lead.end, row.lead.due || 0]));
    const to = Math.max(earliest, Math.min(latest, data.now + 30 * day)), from = Math.min(earliest, to - 600);
    const x = (t) => left + Math.max(0, Math.min(1, (t - from) / (to - from))) * axisWidth;
    const bottom = top + rows.length * rowHeight;
    const line = (name, t) => svg("line", { class: name, x1: x(t), x2: x(t), y1: top - 4, y2: bottom });
    const label = `${rows.length} sessions over time, from ${formatTime(from)} to ${formatTime(to)}; ` +
      "the list below has the same as text";
    const picture = svg("svg", { viewBox: `0 0 ${pictureWidth} ${bottom + 8}`, role: "img", "aria-label": label });
    for (let i = 0; i < rows.length; i += 2) {
      const y = top + i * rowHeight;
      picture.append(svg("rect", { class: "band", x: 0, y, width: pictureWidth, height: rowHeight }));
    }
    for (const { time, label: tick } of ticks(from, to)) {
      picture.append(line("grid", time),
        svg("text", { class: "soft", x: x(time), y: 12, "text-anchor": "middle" }, tick));
    }
    if (data.now >= from && data.now <= to) {
      picture.append(line("today", data.now), svg("text", { class: "soft", x: x(data.now) + 4, y: top - 1 }, "now"));
    }
    rows.forEach((row, i) => picture.append(...timelineRow(row, top + i * rowHeight, x)));
    return picture;
  };
  const timelineRow = (row, y, x) => {
    const name = row.id.length > 40 ? row.id.slice(0, 39) + "…" : row.id;
    const link = svg("a", { href: addressOf({ ...initial, q: row.id }) },
      svg("text", { class: "id", x: 4, y: y + 15 }, name), svg("title", {}, row.id));
    const template = (row.template || "template not known").slice(0, 40);
    const below = svg("text", { class: "soft", x: 4, y: y + 29 }, template);
    return [link, below, sessionBar(row, y, x), ...cfsMarks(row, y, x)];
  };
  const sessionBar = (row, y, x) => {
    const { own, lead } = row;
    const start = own && own.start || row.began;
    const end = Math.max(start, lead.end || (own && lead.reason === "running" ? data.now : start));
    const bar = svg("g", {});
    if (lead.due > end) {
      const width = Math.max(0, x(lead.due) - x(end));
      bar.append(svg("rect", { class: "hold " + classOf(lead), x: x(end), y: y + 9, width, height: 4 }));
    }
    if (own) {
      const width = Math.max(5, x(end) - x(start));
      bar.append(svg("rect", { class: "run " + classOf(lead), x: x(start), y: y + 6, width, height: 10, rx: 2 }));
    } else {
      bar.append(svg("circle", { class: "gone " + classOf(lead), cx: x(start) + 4, cy: y + 11, r: 4 }));
    }
    const ended = lead.end ? formatTime(lead.end) : "no known end";
    const times = own ? formatTime(start) + " to " + ended : "not seen in BOS";
    bar.append(svg("title", {}, `${row.id}\n${times}\n${lead.why}`));
    return bar;
  };
  const cfsMarks = (row, y, x) => {
    const most = 12, marks = [];
    const cfs = row.cfs.filter((c) => firstTime(c.object)).sort((a, b) => firstTime(a.object) - firstTime(b.object));
    let next = 0;
    for (const { object, tagged } of cfs.slice(0, most)) {
      const at = Math.max(x(firstTime(object)) + 5, next);
      next = at + 12;
      const title = `${object.name}\n${tagged ? "linked by its tag" : "linked by inference"}\n` +
        `${formatTime(object.start)} to ${formatTime(object.end)}\n${object.why}`;
      const classes = "cfs " + (tagged ? "" : "guess ") + classOf(object);
      const diamond = `M${at} ${y + 19}l5.5 5.5-5.5 5.5-5.5-5.5z`;
      marks.push(svg("path", { class: classes, d: diamond }, svg("title", {}, title)));
    }
    if (cfs.length > most) {
      marks.push(svg("text", { class: "soft", x: next + 2, y: y + 28 }, `and ${cfs.length - most} more`));
    }
    return marks;
  };

  const addOptions = (id, values, wordsOf) =>
    byId(id).append(...values.map((value) => el("option", { value }, wordsOf ? wordsOf(value) : value)));
  const present = (key) => [...new Set(objects.map((o) => o[key]))].filter(Boolean);
  addOptions("kind", data.kinds.filter((kind) => present("kind").includes(kind)));
  addOptions("fate", data.fates.filter((fate) => present("fate").includes(fate)), (fate) => fates[fate].words);
  addOptions("reason", present("reason").sort());
  addOptions("template", present("template").sort());
  for (const id of choices) byId(id).onchange = () => change({ [id]: byId(id).value, page: 1, time: 1 });
  let typing = 0;
  byId("q").oninput = () => {
    clearTimeout(typing);
    typing = setTimeout(() => change({ q: byId("q").value, page: 1, time: 1 }), 120);
  };
  byId("reset").onclick = () => change({ ...initial });

  const draw = () => {
    if (document.activeElement !== byId("q")) byId("q").value = state.q;
    for (const id of choices) byId(id).value = state[id];
    const list = selectObjects();
    drawObjects(sortObjects(list));
    const shownSessions = drawTimeline(list);
    const all = formatNumber(objects.length);
    byId("shown").textContent = list.length === objects.length
      ? `All ${all} objects of ${formatNumber(sessions.size)} sessions`
      : `${formatNumber(list.length)} of ${all} objects, of ${formatNumber(shownSessions)} sessions; ` +
        "the counts above are of all";
    root.dataset.shown = list.length;
  };
  addEventListener("hashchange", () => { readAddress(); draw(); });
  readAddress();
  byId("live").hidden = false;
  draw();
  // The tests of the page read these.
  root.dataset.objects = objects.length;
  root.dataset.sessions = sessions.size;
  root.dataset.opened = Math.round(performance.now());
})();
