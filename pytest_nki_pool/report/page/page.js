"use strict";

const PAGE = 25;
const FAILING = "needs attention";
const FACETS = ["status", "kernel", "backend", "platform", "dtype", "check"];
const SIGNS = { good: "✓", bad: "✗", retry: "?", none: "–" };

const data = JSON.parse(document.getElementById("data").textContent);
const cases = data.cases.map((one) => ({
  ...one,
  words: [one.status, one.check, one.kernel, one.backend, one.platform, one.case, one.message].join(" ").toLowerCase(),
}));
const search = document.getElementById("search");
const selects = Object.fromEntries(FACETS.map((name) => [name, document.querySelector(`select[data-filter=${name}]`)]));
const state = { shown: cases, page: 0, sort: null, descending: true, open: new Set() };

// What JSON does not have stands in a report as text.
const number = (value) => (typeof value === "string" ? Number(value.replace("inf", "Infinity")) : value);
const brief = (value) => {
  const given = number(value);
  if (given === undefined) return "–";
  if (!Number.isFinite(given)) return Number.isNaN(given) ? "NaN" : given > 0 ? "∞" : "−∞";
  return Math.abs(given) < 1e5 ? String(Number(given.toPrecision(3))) : given.toExponential(1).replace("+", "");
};
const power = (value) => (value < 1024 || value === Infinity ? brief(value) : `2^${Math.log2(value)}`);
const exactly = (value) => (value === "nan" ? "NaN" : String(number(value)));
const plural = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(name, attributes = {}, text = null) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}

function picture(width, height, label) {
  return drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
}

function titled(shape, text) {
  shape.append(drawn("title", {}, text));
  return shape;
}

// ---- the list of cases

function matches(one, words, chosen) {
  for (const [name, wanted] of chosen) {
    if (wanted === FAILING ? one.state !== "bad" && one.state !== "retry" : one[name] !== wanted) return false;
  }
  return words.every((word) => one.words.includes(word));
}

function choose() {
  const started = performance.now();
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = FACETS.map((name) => [name, selects[name].value]).filter(([, wanted]) => wanted);
  state.shown = cases.filter((one) => matches(one, words, chosen));
  if (state.sort) {
    const size = (one) => { const value = number(one[state.sort]); return value === undefined ? -1 : Number.isNaN(value) ? Infinity : value; };
    const order = (a, b) => (size(a) === size(b) ? 0 : size(a) < size(b) ? -1 : 1);
    state.shown.sort((a, b) => (state.descending ? order(b, a) : order(a, b)));
  }
  state.page = 0;
  list();
  performance.measure("filter", { start: started, end: performance.now() });
}

function list() {
  const pages = Math.max(1, Math.ceil(state.shown.length / PAGE));
  const rows = state.shown.slice(state.page * PAGE, (state.page + 1) * PAGE).flatMap(row);
  document.getElementById("rows").replaceChildren(...rows);
  document.getElementById("count").textContent = `${state.shown.length} of ${plural(cases.length, "case")}`;
  document.getElementById("page").textContent = `page ${state.page + 1} of ${pages}`;
  document.getElementById("previous").disabled = state.page === 0;
  document.getElementById("next").disabled = state.page >= pages - 1;
}

function row(one) {
  const isOpen = state.open.has(one);
  const button = element("button", { type: "button", class: "open", "aria-expanded": isOpen }, one.case);
  const line = element("tr", {},
    element("td", { class: `verdict ${one.state}` }, `${SIGNS[one.state]} ${one.status}`),
    element("td", {}, button),
    ...["check", "kernel", "backend", "platform"].map((name) => element("td", {}, one[name])),
    ...[one.max_ulp, one.share, 1000 * one.seconds].map((value) => element("td", { class: "number" }, brief(value))));
  button.addEventListener("click", () => {
    if (state.open.delete(one)) line.nextSibling.remove();
    else { state.open.add(one); line.after(detail(one)); }
    button.setAttribute("aria-expanded", state.open.has(one));
  });
  return isOpen ? [line, detail(one)] : [line];
}

// ---- one case

function detail(one) {
  const cell = element("td", { colspan: 9 });
  if (one.message) cell.append(element("pre", { class: "message" }, one.message));
  const figures = element("div", { class: "figures" });
  if (one.evidence) figures.append(heatMap(one.evidence));
  if (one.location) figures.append(offendingWindow(one));
  if (one.evidence) figures.append(histogram(one.evidence));
  if (one.state === "bad" && !one.evidence) {
    figures.append(element("p", { class: "muted" }, one.location
      ? "No pictures: the report keeps those of a bounded number of failures, and others came first."
      : "No pictures: there is no output here that was compared with an interval, element by element."));
  }
  cell.append(figures, rerun(one.rerun));
  return element("tr", { class: "detail" }, cell);
}

function rerun(text) {
  const shown = element("pre", {}, text);
  const button = element("button", { type: "button", class: "copy" }, "Copy rerun line");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {  // a browser may forbid it: the person can still copy what is selected
      getSelection().selectAllChildren(shown);
      button.textContent = "Selected: press Ctrl+C";
    }
  });
  return element("div", { class: "rerun" }, shown, button);
}

function figure(title, drawing, ...words) {
  return element("figure", {}, element("figcaption", {}, element("strong", {}, title)), drawing,
    element("figcaption", {}, ...words));
}

function heatMap(seen) {
  const [rows, columns] = [seen.plane.length, seen.plane[0].length];
  const side = Math.max(8, Math.min(48, Math.floor(288 / Math.max(rows, columns))));
  const errors = seen.plane.flat().map(number);
  const largest = Math.max(0, ...errors.filter(Number.isFinite));
  const wrong = seen.wrong.flat().filter(Boolean).length;
  const svg = picture(columns * side + 2, rows * side + 2,
    `Errors of channel ${seen.channel}: ${wrong} of ${rows * columns} cells hold wrong elements, largest finite error ${brief(largest)} ulp`);
  const heat = (error) => (Number.isFinite(error) ? Math.log2(1 + error) / Math.log2(1 + Math.max(1, largest)) : 1);
  const from = (start, size, end) => (size === 1 ? start : `${start}–${Math.min(start + size, end) - 1}`);
  seen.plane.forEach((cells, y) => cells.forEach((cell, x) => {
    const error = number(cell);
    const box = drawn("rect", { x: x * side + 1, y: y * side + 1, width: side, height: side, class: "cellbox" });
    box.style.fill = `color-mix(in oklab, var(--heat) ${(100 * heat(error)).toFixed(1)}%, var(--page))`;
    const place = `row ${from(y * seen.block[0], seen.block[0], seen.shape[0])}, column ${from(x * seen.block[1], seen.block[1], seen.shape[1])}`;
    svg.append(titled(box, `${place}: ${brief(cell)} ulp, ${seen.wrong[y][x]} wrong`));
    if (seen.wrong[y][x]) svg.append(...cross(x * side + 1, y * side + 1, side));
  }));
  const [height, width] = seen.block;
  const about = height * width === 1 ? "" : ` The plane is ${seen.shape[0]} × ${seen.shape[1]}; a cell is the largest error of ${height} × ${width} elements.`;
  const infinite = errors.some((error) => !Number.isFinite(error)) ? " A wrong NaN or infinity has full colour." : "";
  return figure(`Error over the output plane of channel ${seen.channel}, the worst`, svg,
    `Darkest or brightest: ${brief(largest)} ulp, on a logarithmic scale from 0. ✕: wrong.${infinite}${about}`);
}

function cross(x, y, side) {
  const [a, b] = [side * 0.3, side * 0.7];
  const path = `M${x + a} ${y + a}L${x + b} ${y + b}M${x + b} ${y + a}L${x + a} ${y + b}`;
  return ["mark under", "mark"].map((name) => drawn("path", { d: path, class: name, "pointer-events": "none" }));
}

function offendingWindow(one) {
  const place = one.location;
  const pool = Number(/k(\d+):/.exec(one.case)[1]);
  const table = element("table", { class: "window" }, element("tbody", {}, ...place.window.map((cells) =>
    element("tr", {}, ...cells.map((cell) => element("td", {}, String(Number.isFinite(number(cell)) ? Number(number(cell).toPrecision(7)) : brief(cell))))))));
  const accepted = place.low === "nan" ? "NaN" : place.low === place.high ? exactly(place.low) : `${exactly(place.low)} to ${exactly(place.high)}`;
  const facts = [["got", exactly(place.got)], ["expected", accepted], ["exact", exactly(place.exact)]];
  const cut = pool > place.window.length ? ` Its first ${place.window.length} × ${place.window[0].length} values are shown.` : "";
  return figure(`Window of the first wrong element, [${place.index.join(", ")}]`, table,
    element("dl", { class: "facts" }, ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, element("code", {}, value))))),
    `${plural(place.wrong, "element")} wrong in all. Window ${pool} × ${pool}.${cut}`);
}

function histogram(seen) {
  const bins = seen.bins.map(([low, high, right, wrong]) => ({ low: number(low), high: number(high), right, wrong }));
  const [left, base, tall, wide] = [34, 190, 160, 340];
  const step = (wide - left) / bins.length;
  const most = Math.max(...bins.map((bin) => Math.max(bin.right, bin.wrong)));
  const height = (count) => (count ? (tall * (1 + Math.log10(count))) / (1 + Math.log10(Math.max(most, 1))) : 0);
  const name = (bin) => (bin.low === Infinity ? "∞" : bin.low === bin.high ? brief(bin.low) : `${brief(bin.low)}–${brief(bin.high)}`);
  const said = bins.filter((bin) => bin.right + bin.wrong).map((bin) => `${name(bin)} ulp: ${bin.right} right, ${bin.wrong} wrong`);
  const svg = picture(wide + 10, 232, `Elements by error. ${said.join("; ")}. Allowed at the worst element: ${brief(seen.allowed)} ulp`);
  svg.append(drawn("path", { d: `M${left} 20V${base}H${wide}`, class: "axis" }));
  for (let count = 1; count <= most; count *= 10) {
    svg.append(drawn("text", { x: left - 4, y: base - height(count) + 4, "text-anchor": "end", class: "muted" }, count < 1000 ? count : `10^${Math.round(Math.log10(count))}`));
  }
  const every = Math.ceil(bins.length / 9);
  bins.forEach((bin, at) => {
    const x = left + at * step;
    const bar = (kind, offset) => titled(drawn("rect", { x: x + offset * step, y: base - height(bin[kind]), width: step * 0.38, height: height(bin[kind]), class: kind }), `${name(bin)} ulp: ${bin[kind]} ${kind}`);
    if (bin.right) svg.append(bar("right", 0.1));
    if (bin.wrong) svg.append(bar("wrong", 0.52));
    if (at % every === 0 || bin.low === Infinity) svg.append(drawn("text", { x: x + step / 2, y: base + 14, "text-anchor": "middle", class: "muted" }, bins.length > 6 ? power(bin.low) : name(bin)));
  });
  svg.append(drawn("text", { x: (left + wide) / 2, y: base + 30, "text-anchor": "middle" }, "error in ulp of the output dtype (octaves)"));
  const x = left + step * boundAt(bins, number(seen.allowed));
  const side = x > wide / 2 ? { x: x - 4, "text-anchor": "end" } : { x: x + 4, "text-anchor": "start" };
  svg.append(drawn("path", { d: `M${x} 14V${base}`, class: "bound" }), drawn("text", { ...side, y: 14 }, `allowed: ${brief(seen.allowed)} ulp`));
  return figure("Errors of the whole output against the bound", svg,
    "Outlined: right elements; filled: wrong ones; counts on a logarithmic scale. The dashed line is what the accuracy class allows the worst element; other elements have bounds of their own.");
}

// After how many bins an error lies that is the largest allowed.
function boundAt(bins, allowed) {
  const at = bins.findIndex((bin) => allowed <= bin.high);
  if (at < 0) return bins.length;
  const { low, high } = bins[at];
  return high === Infinity ? at + (allowed === Infinity ? 1 : 0) : at + (allowed - low + 1) / (high - low + 1);
}

// ---- the rooflines

function roofline(one) {
  const [left, top, wide, tall] = [64, 16, 500, 300];
  const knee = (clock) => one.hbm / clock;
  const knees = Object.values(one.clocks).map(knee);
  const across = extent([...one.points.map((point) => point.x), ...knees]);
  const up = extent([...one.points.map((point) => point.y), one.hbm, one.dma]);
  const at = (value, [low, high], length) => (length * Math.log10(value / low)) / Math.log10(high / low);
  const x = (value) => left + at(value, across, wide - left - 24);
  const y = (value) => top + tall - at(value, up, tall);
  const svg = picture(wide, top + tall + 44,
    `Modelled roofline of ${one.generation}: ${plural(one.points.length, "point")} below HBM at ${brief(one.hbm / 1e9)} GB/s and DMA at ${brief(one.dma / 1e9)} GB/s`);
  for (let tick = across[0]; tick <= across[1] * 1.01; tick *= 10) {
    svg.append(drawn("path", { d: `M${x(tick)} ${top + tall}v5`, class: "axis" }), drawn("text", { x: x(tick), y: top + tall + 18, "text-anchor": "middle", class: "muted" }, brief(tick)));
  }
  for (let tick = up[0]; tick <= up[1] * 1.01; tick *= 10) {
    svg.append(drawn("path", { d: `M${left} ${y(tick)}h-5`, class: "axis" }), drawn("text", { x: left - 8, y: y(tick) + 4, "text-anchor": "end", class: "muted" }, brief(tick / 1e9)));
  }
  svg.append(drawn("path", { d: `M${left} ${top}V${top + tall}H${wide - 24}`, class: "axis" }));
  for (const [name, rate] of [["HBM", one.hbm], ["DMA", one.dma]]) {
    svg.append(titled(drawn("path", { d: `M${x(rate / Math.max(...Object.values(one.clocks)))} ${y(rate)}H${wide - 24}`, class: "roof" }), `${name}: ${brief(rate / 1e9)} GB/s`));
  }
  svg.append(drawn("text", { x: wide - 24, y: y(Math.max(one.hbm, one.dma)) - 5, "text-anchor": "end" }, `HBM ${brief(one.hbm / 1e9)}, DMA ${brief(one.dma / 1e9)} GB/s`));
  for (const [engine, clock] of Object.entries(one.clocks)) {
    const start = Math.max(across[0], up[0] / clock);
    svg.append(titled(drawn("path", { d: `M${x(start)} ${y(start * clock)}L${x(knee(clock))} ${y(one.hbm)}`, class: "roof" }), `${engine}: ${brief(clock / 1e9)} GHz`));
    const middle = Math.sqrt(start * knee(clock));
    svg.append(drawn("text", { x: x(middle) - 6, y: y(middle * clock) - 4, "text-anchor": "end" }, `${engine} ${brief(clock / 1e9)} GHz`));
  }
  for (const point of one.points) svg.append(mark(point, x(point.x), y(point.y)));
  svg.append(drawn("text", { x: (left + wide) / 2, y: top + tall + 38, "text-anchor": "middle" }, "bytes of HBM per cycle of the busiest engine"),
    drawn("text", { transform: `translate(14 ${top + tall / 2}) rotate(-90)`, "text-anchor": "middle" }, "GB/s of HBM, modelled"));
  const more = one.more ? ` ${one.more} more points are left out.` : "";
  return figure(one.generation, svg, `Circle: bound by HBM or DMA; triangle: by an engine.${more}`);
}

function mark(point, x, y) {
  const isEngine = point.bound !== "hbm" && point.bound !== "dma";
  const shape = isEngine
    ? drawn("path", { d: `M${x} ${y - 5}l5 9h-10z`, class: "point engine" })
    : drawn("circle", { cx: x, cy: y, r: 4.5, class: "point" });
  const others = point.cases > 1 ? ` and ${plural(point.cases - 1, "other")}` : "";
  return titled(shape, `${point.kernel}, ${point.case}${others}: ${brief(point.y / 1e9)} GB/s, ${brief(point.x)} bytes per cycle, bound by ${point.bound}`);
}

// The decades that hold some values.
function extent(values) {
  const low = 10 ** Math.floor(Math.log10(Math.min(...values)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...values)));
  return [low, high > low ? high : 10 * low];
}

// ---- start

function option(select, value, text) {
  select.append(element("option", { value }, text));
}

for (const name of FACETS) {
  option(selects[name], "", "all");
  if (name === "status") option(selects[name], FAILING, FAILING);
  for (const value of [...new Set(cases.map((one) => one[name]))].sort()) option(selects[name], value, value);
  selects[name].addEventListener("change", choose);
}
search.addEventListener("input", choose);
document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("filters").addEventListener("reset", () => setTimeout(choose));
for (const [id, by] of [["previous", -1], ["next", 1]]) {
  document.getElementById(id).addEventListener("click", () => { state.page += by; list(); });
}
for (const button of document.querySelectorAll("button.cell")) {
  button.addEventListener("click", () => {
    search.value = "";
    for (const name of FACETS) selects[name].value = button.dataset[name] ?? "";
    if (button.matches(".bad, .retry")) selects.status.value = FAILING;
    choose();
    document.getElementById("cases-title").scrollIntoView();
    selects.status.focus({ preventScroll: true });
  });
}
for (const button of document.querySelectorAll("button[data-sort]")) {
  button.addEventListener("click", () => {
    state.descending = state.sort === button.dataset.sort ? !state.descending : true;
    state.sort = button.dataset.sort;
    for (const head of document.querySelectorAll("th[aria-sort]")) head.setAttribute("aria-sort", "none");
    button.parentElement.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
    choose();
  });
}

const theme = document.getElementById("theme");
let isDark = matchMedia("(prefers-color-scheme: dark)").matches;
const offer = () => { theme.textContent = isDark ? "Light colours" : "Dark colours"; };
offer();
theme.addEventListener("click", () => {
  isDark = !isDark;
  document.documentElement.style.colorScheme = isDark ? "dark" : "light";
  offer();
});

const rooflines = document.getElementById("rooflines");
rooflines.append(...(data.rooflines.length ? data.rooflines.map(roofline)
  : [element("p", {}, "Nothing to draw: no case was launched on the emulator with its cost model.")]));
if (cases.some((one) => one.state === "bad" || one.state === "retry")) selects.status.value = FAILING;
const first = cases.find((one) => one.evidence) ?? cases.find((one) => one.state === "bad");
if (first) state.open.add(first);
choose();
