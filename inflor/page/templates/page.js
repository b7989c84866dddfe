/* Draws the charts of the page from the data beside it, and sorts its tables. */
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const ink = "var(--ink)", quiet = "var(--quiet)", line = "var(--line)", paper = "var(--paper)";
  const color = new Map((data.populations || []).map((p) => [p.name, p.color]));
  const hint = document.getElementById("hint");

  /* Numbers and words */
  const percent = (x, digits = 2) => `${(100 * x).toFixed(digits)} %`;
  const whole = (x) => Math.round(x).toLocaleString("en");
  function quantity(x, unit) {
    if (x === null || x === undefined) return "not published";
    if (x === 0) return `0 ${unit}`;
    const names = ["f", "p", "n", "µ", "m", "", "k", "M", "G"];
    const step = Math.min(Math.max(Math.floor(Math.log10(Math.abs(x)) / 3 + 1e-12), -5), 3);
    const scaled = x / 10 ** (3 * step);
    return `${scaled.toFixed(Math.abs(scaled) < 10 ? 2 : Math.abs(scaled) < 100 ? 1 : 0)} ${names[step + 5]}${unit}`;
  }
  function shorten(text, most) {
    if (text.length <= most) return text;
    const head = Math.ceil((most - 1) / 2);
    return `${text.slice(0, head)}…${text.slice(text.length - (most - 1 - head))}`;
  }
  function nameMargin(names, width) {
    const longest = Math.max(...names.map((n) => n.length), 1);
    return Math.round(Math.min(7 * longest + 14, Math.max(width * 0.3, 80)));
  }
  const fitting = (margin) => (name) => shorten(String(name), Math.max(4, Math.floor((margin - 12) / 6.6)));

  /* Plots */
  function plot(options) {
    return Plot.plot({ style: { background: "transparent", fontSize: "12px", fontFamily: "inherit" }, ...options });
  }
  const tip = { fontSize: 12, lineHeight: 1.3, strokeOpacity: 0.25, textPadding: 8 };

  /* Points all along a bar, so that the pointer finds it wherever it touches it */
  const along = (rows, from, to, domain) => rows.flatMap((row) => {
    const step = domain / 60, points = Math.max(1, Math.round((to(row) - from(row)) / step));
    return d3.range(points).map((i) => ({ ...row, at: from(row) + ((i + 0.5) / points) * (to(row) - from(row)) }));
  });

  /* Shares as ticks: as many digits as tell them apart */
  const shareTick = (most) => (v) => percent(v, most < 0.005 ? 2 : most < 0.05 ? 1 : 0);

  function bars(width, rows, value, show, options = {}) {
    const names = rows.map((r) => r.name), margin = nameMargin(names, width);
    const most = Math.max(...rows.map((r) => Math.max(value(r), options.other ? options.other(r) ?? 0 : 0))) || 1;
    return plot({
      width,
      height: 30 + Math.max(16, Math.min(30, 400 / rows.length)) * rows.length,
      marginLeft: margin, marginRight: 64, marginTop: 4, marginBottom: 26,
      x: { domain: [0, most], label: null, tickFormat: options.share ? shareTick(most) : undefined, ticks: Math.max(2, Math.floor((width - margin) / 90)), grid: true, tickSize: 0 },
      y: { domain: names, label: null, tickSize: 0, tickFormat: fitting(margin), padding: 0.25 },
      marks: [
        Plot.barX(rows, { x: value, y: "name", fill: (r) => color.get(r.name) }),
        options.other ? Plot.tickX(rows.filter((r) => options.other(r) != null), { x: options.other, y: "name", stroke: ink, strokeWidth: 2 }) : null,
        Plot.text(rows, { x: (r) => Math.max(value(r), options.other ? options.other(r) ?? 0 : 0), y: "name", text: (r) => show(r), textAnchor: "start", dx: 6, fill: ink }),
        Plot.ruleX([0], { stroke: line }),
        Plot.tip(along(rows, () => 0, value, most), Plot.pointer({ x: "at", y: "name", title: options.title, ...tip })),
      ],
    });
  }

  function histogram(width, edges, row, against, name) {
    const total = row.before.reduce((a, b) => a + b, 0) + 1e-12;
    const points = row.before.map((n, i) => ({
      x1: edges[i], x2: edges[i + 1], before: n / total, against: row[against] ? row[against][i] / total : 0,
    }));
    const most = Math.max(...points.map((p) => Math.max(p.before, p.against)), 1e-9);
    const said = { rectified: "behind the rectifier", integer: "integers" }[against];
    const steps = points.flatMap((p) => [{ x: p.x1, y: p.against }, { x: p.x2, y: p.against }]);
    return plot({
      width, height: 150, marginLeft: 46, marginRight: 8, marginTop: 22, marginBottom: 30,
      x: { domain: [edges[0], edges[edges.length - 1]], label: null, ticks: Math.floor(width / 60), tickSize: 4 },
      y: { domain: [0, most], label: null, ticks: 3, tickFormat: (v) => percent(v, most < 0.02 ? 1 : 0), tickSize: 0, grid: true },
      marks: [
        Plot.rectY(points, { x1: "x1", x2: "x2", y: "before", fill: color.get(name), fillOpacity: 0.45 }),
        Plot.line(steps, { x: "x", y: "y", stroke: ink, strokeWidth: 1.25 }),
        Plot.ruleX([1], { stroke: ink, strokeDasharray: "3,3" }),
        Plot.text([{ x: 1 }], { x: "x", frameAnchor: "top", dy: -14, text: () => "fires from here →", textAnchor: "start", dx: -2, fill: quiet }),
        Plot.tip(points, Plot.pointerX({
          x: (p) => (p.x1 + p.x2) / 2, y: (p) => Math.max(p.before, p.against), ...tip,
          title: (p) => `${p.x1.toFixed(2)} to ${p.x2.toFixed(2)} thresholds\nfloat ${percent(p.before, 3)}\n${said} ${percent(p.against, 3)}`,
        })),
      ],
    });
  }

  function powers([low, high], most) {
    const first = Math.ceil(Math.log10(low)), last = Math.floor(Math.log10(high)), step = Math.max(1, Math.ceil((last - first) / most));
    return d3.range(first, last + 1, step).map((power) => 10 ** power);
  }

  function shares(width, rows, key, fillOf, labelOf) {
    /* Horizontal bars of 100 %, a model of hardware each, its name above it. */
    const models = data.costs.hardware.filter((h) => rows.some((r) => r.hardware === h.name && r.energy > 0));
    const parts = [];
    for (const h of models) {
      const mine = rows.filter((r) => r.hardware === h.name && r.energy > 0);
      const total = mine.reduce((sum, r) => sum + r.energy, 0);
      let from = 0;
      mine.forEach((r, index) => {
        const to = from + r.energy / total;
        parts.push({ ...r, from, to, model: h.name, fill: fillOf(r, index) });
        from = to;
      });
    }
    const titles = new Map(models.map((h) => [h.name, h.title]));
    return plot({
      width, height: 22 + 46 * models.length, marginLeft: 1, marginRight: 1, marginTop: 0, marginBottom: 20,
      x: { domain: [0, 1], label: null, ticks: [0.25, 0.5, 0.75], tickFormat: (v) => percent(v, 0), tickSize: 0 },
      y: { type: "band", domain: models.map((h) => h.name), axis: null, padding: 0 },
      marks: [
        Plot.barX(parts, { x1: "from", x2: "to", y: "model", fill: "fill", insetRight: 0.75, insetTop: 21, insetBottom: 5 }),
        Plot.text(parts.filter((p) => (p.to - p.from) * width > 7.2 * labelOf(p).length + 10), {
          x: (p) => (p.from + p.to) / 2, y: "model", text: labelOf, fill: "white", dy: 8, fontWeight: 600,
        }),
        Plot.text(models, { x: () => 0, y: "name", text: (h) => shorten(`${h.title} · ${quantity(h.energy, "J")}`, Math.floor(width / 6.3)), textAnchor: "start", dy: -12, fill: ink }),
        Plot.tip(along(parts, (p) => p.from, (p) => p.to, 1), Plot.pointer({
          x: "at", y: "model", ...tip,
          title: (p) => [titles.get(p.model), p[key], `${quantity(p.energy, "J")} (${percent(p.to - p.from, 1)})`,
            p.count === undefined ? null : `${p.unit === "W" ? quantity(p.count, "s") : whole(p.count)} × ${quantity(p.each, p.unit)}, ${p.kind}`].filter(Boolean).join("\n"),
        })),
      ],
    });
  }

  const charts = {
    rates: (width) => bars(width, data.populations.filter((p) => p.rate !== null), (p) => p.rate, (p) => percent(p.rate), {
      other: (p) => p.rate_float, share: true,
      title: (p) => `${p.name}\nintegers ${percent(p.rate, 3)}` + (p.rate_float == null ? "" : `\nfloat ${percent(p.rate_float, 3)}`),
    }),
    differ: (width) => bars(width, data.populations.filter((p) => p.differ !== null), (p) => p.differ, (p) => percent(p.differ, 2), {
      share: true, title: (p) => `${p.name}\n${percent(p.differ, 4)} of neuron-steps`,
    }),
    snr: (width) => bars(width, data.populations.filter((p) => p.snr !== null), (p) => p.snr, (p) => `${p.snr.toFixed(1)} dB`, {
      title: (p) => `${p.name}\n${p.snr.toFixed(2)} dB`,
    }),
    potentials(width) {
      const { edges, rows } = data.potentials, grid = document.createElement("div");
      const rectified = rows.some((row) => row.rectified);
      const wide = rectified && width > 620, each = wide ? Math.floor((width - 32) / 2) : width;
      grid.style.cssText = `display:grid;gap:.4rem 32px;grid-template-columns:${wide ? "1fr 1fr" : "1fr"}`;
      for (const row of rows) {
        for (const against of rectified ? ["rectified", "integer"] : ["integer"]) {
          const cell = document.createElement("div"), heading = document.createElement("div");
          heading.textContent = `${row.name}: ${against === "rectified" ? "before and behind the rectifier" : "float and integers"}`;
          heading.style.cssText = "font-size:.8125rem;font-weight:600";
          const svg = histogram(each, edges, row, against, row.name);
          named(svg, heading.textContent);
          cell.append(heading, svg);
          grid.append(cell);
        }
      }
      return grid;
    },
    energy(width) {
      const rows = data.costs.hardware, known = rows.filter((h) => h.energy > 0);
      const ends = known.flatMap((h) => [h.energy, h.low ?? h.energy, h.high ?? h.energy]);
      const domain = ends.length ? [Math.min(...ends) / 2, Math.max(...ends) * (width < 500 ? 6 : 3)] : [1e-9, 1e-3];
      return plot({
        width, height: 34 + 42 * rows.length, marginLeft: 2, marginRight: 10, marginTop: 4, marginBottom: 28,
        x: { type: "log", domain, label: null, grid: true, tickSize: 0, ticks: powers(domain, width / 70), tickFormat: (v) => quantity(v, "J").replace(/\.0+ /, " ") },
        y: { type: "band", domain: rows.map((h) => h.name), axis: null, padding: 0 },
        marks: [
          Plot.text(rows, { x: () => domain[0], y: "name", textAnchor: "start", dy: -10, fill: ink, fontWeight: (h) => (h.ann ? 400 : 600), text: (h) => shorten(h.title, Math.floor(width / 6.6)) }),
          Plot.ruleY(known, { y: "name", x1: () => domain[0], x2: "energy", dy: 8, stroke: line }),
          Plot.link(known.filter((h) => h.low !== null && h.low !== h.high), { x1: "low", x2: "high", y: "name", dy: 8, stroke: quiet, strokeWidth: 5, strokeOpacity: 0.45, strokeLinecap: "round" }),
          Plot.dot(known, { x: "energy", y: "name", dy: 8, r: 5, fill: (h) => (h.ann ? paper : "var(--accent)"), stroke: (h) => (h.ann ? ink : "var(--accent)"), strokeWidth: 1.75 }),
          Plot.text(known, { x: (h) => Math.max(h.energy, h.high ?? 0), y: "name", dy: 8, dx: 10, textAnchor: "start", fill: ink, text: (h) => quantity(h.energy, "J") }),
          Plot.text(rows.filter((h) => !(h.energy > 0)), { x: () => domain[0], y: "name", dy: 8, textAnchor: "start", fill: quiet, fontStyle: "italic", text: (h) => (h.energy === 0 ? "0 J" : h.absent) }),
          Plot.tip(known, Plot.pointer({ x: "energy", y: "name", ...tip, title: (h) => `${h.title}\n${quantity(h.energy, "J")} per inference` + (h.low !== null && h.low !== h.high ? `\n${quantity(h.low, "J")} to ${quantity(h.high, "J")}` : "") + (h.latency === null ? "" : `\n${quantity(h.latency, "s")} latency`) + (h.kinds.length ? `\n${h.kinds.join(", ")}` : "") })),
        ],
      });
    },
    terms: (width) => {
      const names = [...new Set(data.costs.terms.map((t) => t.name))];
      return shares(width, data.costs.terms, "name", (t) => d3.hcl((255 + 137.5 * names.indexOf(t.name)) % 360, 42, 42).formatHex(), (t) => t.name);
    },
    layers: (width) => shares(width, data.costs.layers, "name", (r) => color.get(r.name) || quiet, (r) => r.name),
    timeline(width) {
      const { blocks, period, latency } = data.timeline, names = data.populations.map((p) => p.name), margin = nameMargin(names, width);
      const last = Math.max(...blocks.map((b) => b.step + b.steps)), cell = (width - margin - 16) / last;
      const height = Math.max(12, Math.min(26, 520 / names.length));
      return plot({
        width, height: 44 + height * names.length, marginLeft: margin, marginRight: 16, marginTop: 26, marginBottom: 18,
        x: { domain: [0, last], axis: "top", label: null, ticks: d3.range(0, last + 1, Math.max(1, Math.ceil(last / (width / 48)))), tickSize: 3, tickFormat: (v) => (v === 0 ? "step 0" : String(v)) },
        y: { domain: names, label: null, tickSize: 0, tickFormat: fitting(margin), padding: 0.16 },
        marks: [
          Plot.barX(blocks, { x1: "step", x2: (b) => b.step + b.steps, y: "name", insetLeft: 0.5, insetRight: 0.5, fill: (b) => color.get(b.name), fillOpacity: (b) => (b.sample ? 0.38 : 1) }),
          cell > 13 && height > 13 && blocks[0].steps === 1 ? Plot.text(blocks, { x: (b) => b.step + 0.5, y: "name", text: (b) => String(b.frame), fill: (b) => (b.sample ? ink : "white") }) : null,
          Plot.ruleX([latency, latency + period], { stroke: ink, strokeDasharray: "3,3" }),
          Plot.text([latency, latency + period], { x: (v) => v, frameAnchor: "bottom", dy: 14, textAnchor: "end", dx: 4, fill: ink, text: (v, i) => (width > 500 ? `answer of ${i ? "the next" : "one sample"}: ${v} steps` : `answer: ${v}`) }),
          Plot.tip(along(blocks, (b) => b.step, (b) => b.step + b.steps, last), Plot.pointer({ x: "at", y: "name", ...tip, title: (b) => `${b.name}\nchip step ${b.steps === 1 ? b.step : `${b.step} to ${b.step + b.steps - 1}`}\ntimestep ${b.steps === 1 ? b.frame : `0 to ${b.steps - 1}`} of ${b.sample ? "the next sample" : "the first sample"}` })),
        ],
      });
    },
    raster: null,
  };

  function chip(found, width) {
    const cores = found.cores, sites = found.sites, side = Math.ceil(Math.sqrt(found.seats));
    const low = { x: d3.min(sites, (s) => s[1]), y: d3.min(sites, (s) => s[2]) };
    const columns = d3.max(sites, (s) => s[1]) - low.x + 1, rows = d3.max(sites, (s) => s[2]) - low.y + 1;
    const chips = [...new Set(sites.map((s) => s[0]))].sort((a, b) => a - b), apart = chips.length > 1 ? 0.5 : 0;
    const across = Math.max(1, Math.min(chips.length, Math.floor(26 / (columns + apart)), Math.floor(width / 9 / (columns + apart))));
    const down = Math.ceil(chips.length / across), gap = 0.06;
    const totalX = across * (columns + apart) - apart, totalY = down * (rows + apart) - apart;
    const unit = Math.min(54, (width - 4) / totalX, chips.length > 1 ? 99 : Math.max(16, 380 / totalY));
    const corner = (where, x, y) => {
      const n = chips.indexOf(where);
      return { x: (n % across) * (columns + apart) + x - low.x, y: Math.floor(n / across) * (rows + apart) + y - low.y };
    };
    const square = (c) => {
      const at = corner(c.chip, c.x, c.y), s = (1 - 4 * gap) / side, pad = 0.06 * s;
      const x = at.x + 2 * gap + (c.seat % side) * s, y = at.y + 2 * gap + (side - 1 - Math.floor(c.seat / side)) * s;
      return { ...c, x1: x + pad, x2: x + s - pad, y1: y + pad, y2: y + s - pad, full: y + pad + (s - 2 * pad) * Math.min(1, c.fill ?? 1) };
    };
    const boxes = cores.map(square), tiles = sites.map(([where, x, y]) => corner(where, x, y));
    const stripes = boxes.flatMap((b) => { /* a core's populations beside each other, as wide as their share of its neurons */
      let left = b.x1;
      return b.populations.map((p) => ({ ...b, name: p.name, x1: left, x2: (left += ((b.x2 - b.x1) * p.neurons) / b.neurons) }));
    });
    const paint = (b) => color.get(b.name) || quiet;
    const svg = plot({
      width: Math.ceil(unit * totalX) + 4, height: Math.ceil(unit * totalY) + 4, margin: 2,
      x: { domain: [0, totalX], axis: null }, y: { domain: [0, totalY], axis: null },
      marks: [
        Plot.rect(tiles, { x1: (t) => t.x + gap, x2: (t) => t.x + 1 - gap, y1: (t) => t.y + gap, y2: (t) => t.y + 1 - gap, fill: "var(--surface)", stroke: line, rx: 2 }),
        Plot.rect(stripes, { x1: "x1", x2: "x2", y1: "y1", y2: "y2", fill: paint, fillOpacity: 0.3 }),
        Plot.rect(stripes, { x1: "x1", x2: "x2", y1: "y1", y2: "full", fill: paint }),
        Plot.tip(boxes, Plot.pointer({
          x: (b) => (b.x1 + b.x2) / 2, y: (b) => (b.y1 + b.y2) / 2, ...tip,
          title: (b) => `${b.holds}\ncore ${b.core}, ${found.unit} (${b.x}, ${b.y})${chips.length > 1 && found.unit === "tile" ? ` of chip ${b.chip}` : ""}\n${whole(b.neurons)} neurons${b.fill === null ? "" : `, ${percent(b.fill, 0)} full`}`,
        })),
      ],
    });
    named(svg, `Map of the cores of ${found.title}`);
    const box = document.createElement("div"), list = document.createElement("ul");
    list.className = "legend";
    for (const p of data.populations.filter((p) => cores.some((c) => c.populations.some((held) => held.name === p.name)))) {
      const item = document.createElement("li"), swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.background = p.color;
      item.append(swatch, p.name);
      list.append(item);
    }
    box.append(list, svg);
    return box;
  }

  /* Spikes: canvases of one pixel per neuron */
  function raster() {
    const { timesteps, bands } = data.raster;
    for (const canvas of document.querySelectorAll("canvas[data-band]")) {
      const band = bands[Number(canvas.dataset.band)], [height, width, side] = band.tiling, perMap = height * width;
      const bits = Uint8Array.from(atob(band.bits), (c) => c.charCodeAt(0)), stride = bits.length / timesteps;
      const size = band.shape.reduce((a, b) => a * b, 1), maps = band.maps ? band.maps.length : size / perMap;
      const folded = timesteps <= 16, gap = perMap > 1 ? 1 : 0, between = folded ? Math.max(3, Math.round(side * (width + gap) * 0.09)) : 0;
      const down = Math.ceil(maps / side), block = side * (width + gap) - gap;
      canvas.width = timesteps * (block + between) - between;
      canvas.height = down * (height + gap) - gap;
      canvas.style.aspectRatio = folded ? `${canvas.width} / ${canvas.height}` : "auto";
      if (!folded) canvas.style.height = `${Math.min(Math.max(canvas.height, 40), 192)}px`;
      const columns = canvas.width, context = canvas.getContext("2d"), rgb = d3.rgb(color.get(band.name)), image = context.createImageData(canvas.width, canvas.height);
      const at = (t, n) => (bits[t * stride + (n >> 3)] >> (n & 7)) & 1;
      const pixels = new Uint32Array(image.data.buffer); /* ABGR, as every machine that runs a browser has it */
      const fired = ((255 << 24) | (rgb.b << 16) | (rgb.g << 8) | rgb.r) >>> 0, silent = folded ? ((46 << 24) | (154 << 16) | (138 << 8) | 128) >>> 0 : 0;
      for (let t = 0; t < timesteps; t++) {
        for (let n = 0; n < maps * perMap; n++) {
          const map = Math.floor(n / perMap), within = n % perMap;
          const x = t * (block + between) + (map % side) * (width + gap) + (within % width);
          const y = Math.floor(map / side) * (height + gap) + Math.floor(within / width);
          pixels[y * columns + x] = at(t, n) ? fired : silent;
        }
      }
      context.putImageData(image, 0, 0);
      canvas.addEventListener("pointermove", (event) => {
        const box = canvas.getBoundingClientRect();
        const px = Math.floor(((event.clientX - box.left) / box.width) * canvas.width), py = Math.floor(((event.clientY - box.top) / box.height) * canvas.height);
        const t = Math.floor(px / (block + between)), bx = px - t * (block + between);
        const map = Math.floor(py / (height + gap)) * side + Math.floor(bx / (width + gap)), mx = bx % (width + gap), my = py % (height + gap);
        if (t < 0 || t >= timesteps || bx >= block || mx >= width || my >= height || map < 0 || map >= maps) return void (hint.hidden = true);
        const n = (band.maps ? band.maps[map] : map) * perMap + my * width + mx;
        show(event, `${band.name} (${unravel(n, band.shape).join(", ")})\nstep ${t}: ${at(t, map * perMap + my * width + mx) ? "spike" : "silent"}`);
      });
      canvas.addEventListener("pointerleave", () => (hint.hidden = true));
    }
  }
  function unravel(n, shape) {
    const index = [];
    for (const size of [...shape].reverse()) { index.unshift(n % size); n = Math.floor(n / size); }
    return index;
  }
  function show(event, text) {
    hint.textContent = text;
    hint.hidden = false;
    const box = hint.getBoundingClientRect();
    hint.style.left = `${Math.max(4, Math.min(event.clientX + 12, innerWidth - box.width - 8))}px`;
    hint.style.top = `${event.clientY + 16 + box.height > innerHeight ? event.clientY - box.height - 8 : event.clientY + 16}px`;
  }

  /* Putting them in place */
  function named(chart, title) {
    const svg = chart.tagName.toLowerCase() === "svg" ? chart : null;
    if (svg) { svg.setAttribute("role", "img"); svg.setAttribute("aria-label", title); }
  }
  for (const found of data.chips || []) charts[`chip-${found.name}`] = (width) => chip(found, width);

  /* Networks side by side: a panel per quantity, a line per network */
  charts.comparison = (width) => {
    const { labels, series, panels } = data.comparison, grid = document.createElement("div"), list = document.createElement("ul");
    const columns = width > 900 ? 4 : width > 560 ? 2 : 1, margin = nameMargin(labels, width / columns);
    const show = { share: (v) => percent(v, 2), bytes: (v) => quantity(v, "B"), J: (v) => quantity(v, "J"), count: whole };
    const brief = { ...show, bytes: (v) => quantity(v, "B").replace(/\.0+ /, " "), J: (v) => quantity(v, "J").replace(/\.0+ /, " ") };
    list.className = "legend";
    for (const entry of series) {
      const item = document.createElement("li"), swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.background = entry.color;
      item.append(swatch, entry.name);
      list.append(item);
    }
    grid.style.cssText = `display:grid;gap:.6rem 0;grid-template-columns:repeat(${columns},minmax(0,1fr))`;
    panels.forEach((panel, index) => {
      const first = index % columns === 0, values = panel.points.map((p) => p.value), box = document.createElement("div"), heading = document.createElement("div");
      const each = Math.floor(width / columns), low = Math.min(...values), high = Math.max(...values);
      const spread = Math.max(high - low, panel.kind === "share" ? 0.002 : 0);
      const ticks = (domain) => d3.ticks(domain[0], domain[1], Math.max(2, Math.floor((each - margin) / 75))).filter((v) => panel.kind !== "share" || (v >= 0 && v <= 1));
      const format = panel.kind === "share" ? (v) => percent(v, spread < 0.01 ? 2 : spread < 0.1 ? 1 : 0) : brief[panel.kind];
      const domain = !values.length ? [0, 1] : panel.log ? [low / 2, high * 3] : panel.kind === "share" ? [low - 0.25 * spread, high + 0.6 * spread] : [0, high * 1.3];
      heading.textContent = panel.title;
      heading.style.cssText = `font-size:.8125rem;font-weight:600;padding-left:${margin}px`;
      const svg = plot({
        width: each, height: 36 + 26 * labels.length, marginLeft: margin, marginRight: 14, marginTop: 6, marginBottom: 28,
        x: { domain, type: panel.log ? "log" : "linear", label: null, grid: true, tickSize: 0, tickFormat: format, ticks: panel.log ? powers(domain, (each - margin) / 55) : ticks(domain) },
        y: { type: "band", domain: labels, label: null, tickSize: 0, tickFormat: first || columns < 4 ? fitting(margin) : () => "" },
        marks: [
          Plot.ruleY(labels, { stroke: "var(--faint)" }),
          Plot.dot(panel.points, { x: "value", y: "label", r: 4.5, strokeWidth: 2, stroke: (p) => p.color || "var(--accent)", fill: (p) => (p.ann ? paper : p.color || "var(--accent)") }),
          series.length && panel.points.some((p) => p.series) ? null : Plot.text(panel.points, { x: "value", y: "label", text: (p) => show[panel.kind](p.value), textAnchor: "start", dx: 9, fill: ink }),
          Plot.tip(panel.points, Plot.pointer({ x: "value", y: "label", ...tip, title: (p) => `${p.label}\n${p.series ? `${p.series}\n` : ""}${show[panel.kind](p.value)}` })),
        ],
      });
      named(svg, `${panel.title} of every network`);
      box.append(heading, svg);
      grid.append(box);
    });
    const whole_ = document.createElement("div");
    whole_.append(list, grid);
    return whole_;
  };

  const paperWidth = 680; /* CSS pixels between the margins of a sheet, nearly */
  function draw(host, printing) {
    const half = host.closest(".pair") && host.closest(".pair").children.length > 1;
    const make = charts[host.dataset.chart], width = printing === true ? (half ? paperWidth / 2 - 20 : paperWidth) : Math.floor(host.clientWidth);
    if (!make || width < 40 || Number(host.dataset.width) === width) return;
    host.dataset.width = String(width);
    const chart = make(width);
    named(chart, host.dataset.title);
    host.replaceChildren(chart);
  }
  const hosts = [...document.querySelectorAll(".chart[data-chart]")];
  hosts.forEach((host) => draw(host));
  if (data.raster) raster();
  let waiting = 0;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => hosts.forEach((host) => draw(host)), 120);
  });
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((d) => (d.open = true));
    hosts.forEach((host) => draw(host, true));
  });
  addEventListener("afterprint", () => hosts.forEach((host) => draw(host)));

  /* Tables: a click on a heading sorts, a second one turns it round */
  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells], body = table.tBodies[0];
    headings.forEach((heading, column) => {
      const button = heading.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const down = heading.getAttribute("aria-sort") === "ascending";
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", down ? "descending" : "ascending");
        const sign = down ? -1 : 1, number = !heading.classList.contains("text");
        const key = (row) => row.cells[column].dataset.value;
        const rows = [...body.rows].sort((a, b) => {
          const one = key(a), two = key(b);
          if (one === undefined || two === undefined) return (one === undefined) - (two === undefined);
          return sign * (number || (!isNaN(one) && !isNaN(two)) ? Number(one) - Number(two) : one.localeCompare(two, undefined, { numeric: true }));
        });
        body.append(...rows);
      });
    });
  }
})();
