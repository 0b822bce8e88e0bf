"use strict";
(() => {
  // Whatever a server has named is data: it becomes text nodes and attributes, never markup.
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  const data = JSON.parse($("data").textContent);
  const T = data.texts;
  const classOf = { goes: "goes", deleted: "goes", gone: "goes", stays: "stays", skipped: "stays", unknown: "unknown", failed: "unknown", waiting: "unknown" };
  const fateWords = { goes: "goes", deleted: "deleted", gone: "gone already", stays: "stays", skipped: "changed, stays", unknown: "not judged", failed: "failed", waiting: "waits" };

  const objects = data.objects.map((r, at) => ({
    at, kind: r[0], name: T[r[1]], session: T[r[2]], template: T[r[3]], fate: r[4], reason: T[r[5]],
    start: r[6], end: r[7], due: r[8], why: T[r[9]], detail: T[r[10]], links: (r[11] || []).map((i) => T[i]), hay: "",
  }));

  // A row of the time line: what is of one session, by its tag or by inference.
  const sessions = new Map();
  const rowOf = (id) => {
    let row = sessions.get(id);
    if (!row) sessions.set(id, row = { id, template: "", own: null, lead: null, cfs: [], others: [], at: 0 });
    return row;
  };
  for (const o of objects) {
    for (const id of o.session ? [o.session] : o.links) {
      const row = rowOf(id);
      if (o.kind === "CFSSession") row.cfs.push({ o, tag: !!o.session });
      else if (o.kind === "Session") row.own = o;
      else row.others.push(o);
      row.template = row.template || o.template;
    }
  }
  for (const row of sessions.values()) {
    row.lead = row.own || row.others[0] || row.cfs[0].o;
    const all = [row.own, ...row.others, ...row.cfs.map((c) => c.o)].filter((o) => o && (o.start || o.end));
    row.at = all.length ? (row.own && row.own.start) || Math.min(...all.map((o) => o.start || o.end)) : 0;
  }

  const initial = { q: "", kind: "", fate: "", reason: "", template: "", sort: "", dir: "asc", page: 1, rows: 50, time: 1 };
  let state = { ...initial };
  const read = () => {
    state = { ...initial };
    for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
      if (key in initial) state[key] = typeof initial[key] === "number" ? Math.max(1, parseInt(value, 10) || 1) : value;
    }
    if (!rowChoices.includes(state.rows)) state.rows = initial.rows;
  };
  const rowChoices = [25, 50, 200, 1000];
  const hash = (s) => "#" + new URLSearchParams(Object.entries(s).filter(([k, v]) => v !== initial[k]));
  const go = (change) => {
    state = { ...state, ...change };
    history.replaceState(null, "", hash(state) === "#" ? location.pathname + location.search : hash(state));
    draw();
  };

  const el = (name, attributes, ...inside) => {
    const e = document.createElement(name);
    for (const k in attributes) e.setAttribute(k, attributes[k]);
    e.append(...inside);
    return e;
  };
  const svg = (name, attributes, ...inside) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const k in attributes) e.setAttribute(k, attributes[k]);
    e.append(...inside);
    return e;
  };

  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const two = (n) => String(n).padStart(2, "0");
  const clock = (s) => { const d = new Date(s * 1000); return two(d.getUTCHours()) + ":" + two(d.getUTCMinutes()); };
  const date = (s) => { const d = new Date(s * 1000); return d.getUTCDate() + " " + months[d.getUTCMonth()] + " " + d.getUTCFullYear(); };
  const stamp = (s) => (s ? date(s) + ", " + clock(s) + " UTC" : "not known");
  const number = (n) => n.toLocaleString("en-US");
  const span = (s) => {
    for (const [name, long] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
      const n = Math.floor(s / long);
      if (n >= 2 || n === 1 && name !== "day") return n + " " + name + (n === 1 ? "" : "s");
    }
    return s < 0 ? "in the future" : "less than a minute";
  };
  const born = (o) => o.end || o.start;

  // Which objects are shown.
  const words = (o) => o.hay || (o.hay = [o.name, o.session, o.template, o.kind, o.reason, o.fate, o.why, o.detail, ...o.links].join("\n").toLowerCase());
  const selected = () => {
    const wanted = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    return objects.filter((o) =>
      (!state.kind || o.kind === state.kind) && (!state.fate || o.fate === state.fate) && (!state.reason || o.reason === state.reason) &&
      (!state.template || o.template === state.template) && wanted.every((w) => words(o).includes(w)));
  };

  const columns = [
    { key: "name", title: "Object", by: (o) => o.name },
    { key: "kind", title: "Kind", by: (o) => data.kinds.indexOf(o.kind) },
    { key: "template", title: "Template", by: (o) => o.template },
    { key: "fate", title: "What happens", by: (o) => data.fates.indexOf(o.fate) },
    { key: "why", title: "Why", by: (o) => o.why },
    { key: "age", title: "Age", by: (o) => (born(o) ? data.now - born(o) : "") },
    { key: "due", title: "May go from", by: (o) => o.due || "" },
  ];
  const sorted = (list) => {
    const column = columns.find((c) => c.key === state.sort);
    if (!column) return list;
    const sign = state.dir === "desc" ? -1 : 1;
    // What is not known comes last, whichever way it is sorted; the order of the plan decides among equals.
    return list.map((o) => [column.by(o), o]).sort(([a, x], [b, y]) =>
      (a === "") - (b === "") || sign * (a < b ? -1 : a > b ? 1 : 0) || x.at - y.at).map(([, o]) => o);
  };

  const row = (o) => {
    const name = el("th", { scope: "row" }, o.name);
    if (o.session && o.session !== o.name) name.append(el("span", { class: "of" }, "of " + o.session));
    else if (o.links.length) name.append(el("span", { class: "of" }, "by inference of " + o.links.join(" and ")));
    const why = el("td", { class: "why" }, o.why);
    if (o.detail) why.append(el("small", {}, o.detail));
    return el("tr", {}, name, el("td", {}, o.kind), el("td", {}, o.template || "–"),
      el("td", {}, el("span", { class: "chip " + classOf[o.fate] }, fateWords[o.fate])), why,
      el("td", { class: "when", title: stamp(born(o)) }, born(o) ? span(data.now - born(o)) : "–"),
      el("td", { class: "when", title: o.due ? stamp(o.due) : "" }, o.due ? date(o.due) : "–"));
  };

  const heads = columns.map((c) => {
    const button = el("button", { type: "button" }, c.title);
    button.onclick = () => go({ sort: c.key, dir: state.sort === c.key && state.dir === "asc" ? "desc" : "asc", page: 1 });
    return { c, button, th: el("th", { scope: "col" }, button) };
  });
  $("objects").tHead.append(el("tr", {}, ...heads.map((h) => h.th)));

  const pager = (place, key, count, per, what) => {
    const last = Math.max(1, Math.ceil(count / per));
    const page = Math.min(state[key], last);
    const turn = (text, to, off) => {
      const b = el("button", { type: "button" }, text);
      b.disabled = off;
      b.onclick = () => go({ [key]: to });
      return b;
    };
    const text = count ? `${number((page - 1) * per + 1)} to ${number(Math.min(count, page * per))} of ${number(count)} ${what}` : `no ${what}`;
    const held = place.contains(document.activeElement) ? [...place.children].indexOf(document.activeElement) : -1;
    place.replaceChildren(el("span", {}, text), turn("Back", page - 1, page === 1), turn("Next", page + 1, page === last));
    if (key === "page") {
      const choice = el("select", {}, ...rowChoices.map((n) => el("option", { value: n }, n)));
      choice.value = state.rows;
      choice.onchange = () => go({ rows: Number(choice.value), page: 1 });
      place.append(el("label", {}, "Rows on a page ", choice));
    }
    if (held >= 0 && place.children[held]) place.children[held].focus(); // the keyboard goes on where it was
    return page;
  };

  const table = (list) => {
    for (const h of heads) {
      const is = h.c.key === state.sort;
      h.button.textContent = h.c.title + (is ? (state.dir === "desc" ? " ▼" : " ▲") : "");
      if (is) h.th.setAttribute("aria-sort", state.dir === "desc" ? "descending" : "ascending");
      else h.th.removeAttribute("aria-sort");
    }
    const page = pager($("pager"), "page", list.length, state.rows, "objects");
    $("objects").tBodies[0].replaceChildren(...list.slice((page - 1) * state.rows, page * state.rows).map(row));
  };

  // The time line: the sessions of one page against one axis, the newest first.
  const perTime = 40, left = 300, wide = 1180, high = 34, top = 24;
  const ticks = (from, to) => {
    const steps = [60, 300, 600, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 14 * 86400, 28 * 86400, 91 * 86400, 365 * 86400];
    const step = steps.find((s) => (to - from) / s <= 9) || steps[steps.length - 1];
    const all = [];
    for (let t = Math.ceil(from / step) * step; t <= to; t += step) all.push([t, step < 86400 ? clock(t) : ""]);
    return all;
  };
  // All sessions by when they began; a click leads to those of that time.
  const overview = (rows, page) => {
    const past = rows.filter((r) => r.at <= data.now);
    if (rows.length <= perTime || !past.length) return $("overview").replaceChildren();
    const from = past[past.length - 1].at, to = Math.max(data.now, from + 600), tall = 70, bins = 90;
    const x = (t) => left + (t - from) / (to - from) * (wide - left - 30), each = (wide - left - 30) / bins;
    const counts = Array.from({ length: bins }, () => ({ goes: 0, unknown: 0, stays: 0, all: 0, first: -1 }));
    past.forEach((r, i) => {
      const bin = counts[Math.min(bins - 1, Math.floor((r.at - from) / (to - from) * bins))];
      bin[classOf[r.lead.fate]]++;
      bin.all++;
      if (bin.first < 0) bin.first = i;
    });
    const most = Math.max(...counts.map((c) => c.all));
    const picture = svg("svg", { viewBox: `0 0 ${wide} ${tall + 24}`, role: "img", "aria-label": `${past.length} sessions by the time when they began, from ${stamp(from)} to ${stamp(to)}` });
    picture.append(svg("text", { x: 4, y: 14 }, `All ${number(past.length)} sessions, by when they began`), svg("text", { x: left - 8, y: 14, "text-anchor": "end" }, number(most)));
    const seen = past.slice((page - 1) * perTime, page * perTime);
    if (seen.length) {
      const begin = x(seen[seen.length - 1].at);
      picture.append(svg("rect", { class: "window", x: begin - 2, y: 0, width: Math.max(6, x(seen[0].at) - begin + 4), height: tall + 4 }),
        svg("text", { x: 4, y: 30 }, "shaded: the time of those below"));
    }
    counts.forEach((c, i) => {
      const column = svg("g", { class: "column" }, svg("rect", { class: "whole", x: left + i * each, y: 4, width: each, height: tall }));
      let y = tall + 4;
      for (const kind of ["goes", "unknown", "stays"]) {
        const high = c[kind] / most * tall;
        y -= high;
        if (high) column.append(svg("rect", { class: kind, x: left + i * each + .8, y, width: each - 1.6, height: high }));
      }
      column.append(svg("title", {}, `from ${stamp(Math.round(from + i * (to - from) / bins))}: ${c.all} sessions, ${c.goes} go`));
      if (c.first >= 0) column.onclick = () => go({ time: Math.floor(c.first / perTime) + 1 });
      picture.append(column);
    });
    picture.append(svg("line", { class: "grid", x1: left, x2: wide - 30, y1: tall + 4, y2: tall + 4 }));
    for (const [t] of ticks(from, to)) picture.append(svg("text", { x: x(t), y: tall + 18, "text-anchor": "middle" }, date(t).replace(/ \d{4}$/, "")));
    $("overview").replaceChildren(picture);
  };
  const timeline = (list) => {
    const ids = new Set();
    for (const o of list) for (const id of o.session ? [o.session] : o.links) ids.add(id);
    // What began in the future, by some wrong clock, comes last: it would stretch the axis of the newest.
    const rows = [...ids].map((id) => sessions.get(id)).filter((r) => r.at).sort((a, b) => (a.at > data.now) - (b.at > data.now) || b.at - a.at);
    const page = pager($("time-pager"), "time", rows.length, perTime, "sessions");
    overview(rows, page);
    const shown = rows.slice((page - 1) * perTime, page * perTime);
    if (!shown.length) {
      $("time").replaceChildren();
      return rows.length;
    }
    let from = Math.min(...shown.map((r) => r.at));
    const ends = shown.flatMap((r) => [r.at, r.lead.end, r.lead.due || 0]);
    const to = Math.max(from, Math.min(Math.max(...ends), data.now + 30 * 86400));
    from = Math.min(from, to - 600);
    const x = (t) => left + Math.max(0, Math.min(1, (t - from) / (to - from))) * (wide - left - 30);
    const picture = svg("svg", { viewBox: `0 0 ${wide} ${top + shown.length * high + 8}`, role: "img", "aria-label": `${shown.length} sessions over time, from ${stamp(from)} to ${stamp(to)}; the list below has the same as text` });
    shown.forEach((r, i) => i % 2 || picture.append(svg("rect", { class: "band", x: 0, y: top + i * high, width: wide, height: high })));
    for (const [t, text] of ticks(from, to)) {
      picture.append(svg("line", { class: "grid", x1: x(t), x2: x(t), y1: top - 4, y2: top + shown.length * high }));
      const label = text && (t % 86400) ? text : date(t).replace(/ \d{4}$/, "");
      picture.append(svg("text", { class: "soft", x: x(t), y: 12, "text-anchor": "middle" }, label));
    }
    if (data.now >= from && data.now <= to) {
      picture.append(svg("line", { class: "today", x1: x(data.now), x2: x(data.now), y1: top - 4, y2: top + shown.length * high }));
      picture.append(svg("text", { class: "soft", x: x(data.now) + 4, y: top - 1 }, "now"));
    }
    shown.forEach((r, i) => picture.append(...session(r, top + i * high, x)));
    $("time").replaceChildren(picture);
    return rows.length;
  };
  const session = (r, y, x) => {
    const kind = classOf[r.lead.fate];
    const out = [];
    const label = svg("a", { href: hash({ ...initial, q: r.id }) },
      svg("text", { class: "id", x: 4, y: y + 15 }, r.id.length > 40 ? r.id.slice(0, 39) + "…" : r.id), svg("title", {}, r.id));
    out.push(label, svg("text", { class: "soft", x: 4, y: y + 29 }, (r.template || "template not known").slice(0, 40)));
    const group = svg("g", {});
    const start = r.own && r.own.start || r.at, end = Math.max(start, r.lead.end || (r.own && r.lead.reason === "running" ? data.now : start));
    if (r.lead.due > end) group.append(svg("rect", { class: "hold " + kind, x: x(end), y: y + 9, width: Math.max(0, x(r.lead.due) - x(end)), height: 4 }));
    group.append(r.own
      ? svg("rect", { class: "run " + kind, x: x(start), y: y + 6, width: Math.max(5, x(end) - x(start)), height: 10, rx: 2 })
      : svg("circle", { class: "gone " + kind, cx: x(start) + 4, cy: y + 11, r: 4 }));
    group.append(svg("title", {}, `${r.id}\n${r.own ? stamp(start) + " to " + (r.lead.end ? stamp(r.lead.end) : "no known end") : "not seen in BOS"}\n${r.lead.why}`));
    out.push(group);
    let next = 0;
    const cfs = r.cfs.filter((c) => c.o.start || c.o.end).sort((a, b) => (a.o.start || a.o.end) - (b.o.start || b.o.end));
    cfs.slice(0, 12).forEach((c) => {
      const at = Math.max(x(c.o.start || c.o.end) + 5, next);
      next = at + 12;
      out.push(svg("path", { class: "cfs " + (c.tag ? "" : "guess ") + classOf[c.o.fate], d: `M${at} ${y + 19}l5.5 5.5-5.5 5.5-5.5-5.5z` },
        svg("title", {}, `${c.o.name}\n${c.tag ? "linked by its tag" : "linked by inference"}\n${stamp(c.o.start)} to ${stamp(c.o.end)}\n${c.o.why}`)));
    });
    if (cfs.length > 12) out.push(svg("text", { class: "soft", x: next + 2, y: y + 28 }, `and ${cfs.length - 12} more`));
    return out;
  };

  const controls = ["kind", "fate", "reason", "template"];
  const options = (id, values, text) => $(id).append(...values.map((v) => el("option", { value: v }, text ? text[v] : v)));
  const present = (key) => [...new Set(objects.map((o) => o[key]))].filter(Boolean);
  options("kind", data.kinds.filter((k) => present("kind").includes(k)));
  options("fate", data.fates.filter((f) => present("fate").includes(f)), fateWords);
  options("reason", present("reason").sort());
  options("template", present("template").sort());
  for (const id of controls) $(id).onchange = () => go({ [id]: $(id).value, page: 1, time: 1 });
  let typing = 0;
  $("q").oninput = () => {
    clearTimeout(typing);
    typing = setTimeout(() => go({ q: $("q").value, page: 1, time: 1 }), 120);
  };
  $("reset").onclick = () => go({ ...initial });

  const draw = () => {
    if (document.activeElement !== $("q")) $("q").value = state.q;
    for (const id of controls) $(id).value = state[id];
    const list = selected();
    table(sorted(list));
    const rows = timeline(list);
    $("shown").textContent = list.length === objects.length
      ? `All ${number(objects.length)} objects of ${number(sessions.size)} sessions`
      : `${number(list.length)} of ${number(objects.length)} objects, of ${number(rows)} sessions; the counts above are of all`;
    root.dataset.shown = list.length;
  };
  addEventListener("hashchange", () => { read(); draw(); });
  read();
  $("live").hidden = false;
  draw();
  root.dataset.objects = objects.length;
  root.dataset.sessions = sessions.size;
  root.dataset.opened = Math.round(performance.now());
})();
