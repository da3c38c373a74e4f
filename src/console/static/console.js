// The console's own scripts: keyboard, dialogs, menus, and charts from the tables beside them.
// Everything that they do can be done without them.
"use strict";

(() => {
  const chartsAt = document.currentScript.dataset.charts;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // ── Dialogs and menus ──────────────────────────────────────────────────────────────────────

  const summaryOf = (details) => details.querySelector("summary");

  function close(details) {
    details.open = false;
    summaryOf(details).focus();
  }

  document.addEventListener("toggle", (event) => {
    const { target } = event;
    if (target.matches?.(".dialog") && target.open) {
      target.querySelector(".dialog-box :is(input:not([type=hidden]), select, textarea)")?.focus();
    }
  }, true);

  document.addEventListener("click", (event) => {
    for (const menu of all("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
    const closer = event.target.closest("[data-closes]");
    const dialog = closer?.closest(".dialog");
    if (dialog) {
      event.preventDefault();
      close(dialog);
    }
    const copier = event.target.closest("[data-copies]");
    if (copier) {
      const text = document.getElementById(copier.dataset.copies).textContent;
      navigator.clipboard.writeText(text.trim()).then(() => { copier.lastChild.textContent = "Copied"; });
    }
  });

  /** Keep the focus within an open dialog. */
  function trap(event, dialog) {
    const stops = all("a[href], button, input:not([type=hidden]), select, textarea", dialog.querySelector(".dialog-box"));
    const [first, last] = [stops[0], stops.at(-1)];
    const leaves = event.shiftKey ? document.activeElement === first : document.activeElement === last;
    if (leaves) {
      event.preventDefault();
      (event.shiftKey ? last : first).focus();
    }
  }

  // ── Keyboard ───────────────────────────────────────────────────────────────────────────────

  let goes = false;

  const rows = () => all("main table.list tbody tr").filter((row) => row.offsetParent);

  function move(step) {
    const there = rows();
    if (!there.length) return;
    const now = there.findIndex((row) => row.classList.contains("is-here"));
    const next = there[Math.min(Math.max(now + step, 0), there.length - 1)];
    there[now]?.classList.remove("is-here");
    next.classList.add("is-here");
    next.querySelector("th a, td a")?.focus();
    next.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    const dialog = document.querySelector(".dialog[open]");
    if (dialog && event.key === "Tab") return trap(event, dialog);
    if (event.key === "Escape") {
      if (event.target.id === "search") event.target.blur();
      const open = dialog ?? document.querySelector("details.menu[open]");
      if (open) close(open);
      return;
    }
    const isWriting = event.target.matches("input, select, textarea");
    if ((event.ctrlKey || event.metaKey) && event.key === "k") {
      event.preventDefault();
      document.getElementById("search")?.focus();
      return;
    }
    if (isWriting || event.ctrlKey || event.metaKey || event.altKey || dialog) return;
    if (goes) {
      goes = false;
      const entry = document.querySelector(`.side-link[data-key="${CSS.escape(event.key)}"]`);
      if (entry) location.assign(entry.href);
      return;
    }
    const deeds = {
      "/": () => { event.preventDefault(); document.getElementById("search")?.focus(); },
      g: () => { goes = true; setTimeout(() => { goes = false; }, 1500); },
      j: () => move(1),
      k: () => move(-1),
      "?": () => document.getElementById("keys")?.showModal(),
    };
    deeds[event.key]?.();
  });

  document.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const box = event.target.closest?.("form.search");
    if (!step || !box) return;
    const stops = [box.querySelector("input"), ...all("#hits a", box)];
    const next = stops[stops.indexOf(document.activeElement) + step];
    if (!next || stops.length < 2) return;
    event.preventDefault();
    next.focus();
  });

  // ── Bulk actions ───────────────────────────────────────────────────────────────────────────

  const BOXES = "td.at-pick input";

  /** A box in the head of a table that chooses all of its rows. */
  function offerAll(within) {
    for (const head of all("form[data-bulk] th.at-pick", within)) {
      const form = head.closest("form");
      if (head.querySelector("input") || all(BOXES, form).length < 2) continue;
      const box = document.createElement("input");
      box.type = "checkbox";
      box.className = "form-check-input";
      box.setAttribute("aria-label", "Choose all");
      head.append(box);
    }
  }

  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-bulk]");
    if (!form || event.target.type !== "checkbox") return;
    if (event.target.closest("th")) all(BOXES, form).forEach((box) => { box.checked = event.target.checked; });
    const many = all(`${BOXES}:checked`, form).length;
    form.querySelector("[data-picked]").textContent = many ? `${many} chosen` : "Nothing chosen";
  });

  // ── Charts ─────────────────────────────────────────────────────────────────────────────────

  let library;
  const loaded = () => (library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = chartsAt;
    script.onload = () => resolve(window.echarts);
    script.onerror = reject;
    document.head.append(script);
  }));

  /** A token's colour as it is now, light or dark. */
  function ink(name) {
    const probe = document.createElement("i");
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  }

  function written(value, { digits, before, after }) {
    const number = Math.abs(value / 10 ** digits);
    const whole = Number.isInteger(number);
    const text = number.toLocaleString("en-GB", { maximumFractionDigits: whole ? 0 : Number(digits) });
    return `${value < 0 ? "\u2212" : ""}${before}${text}${after}`;
  }

  function read(table) {
    const names = all("thead th", table).slice(1).map((cell) => cell.textContent);
    const days = all("tbody tr", table).map((row) => ({
      name: row.cells[0].textContent,
      day: row.cells[0].dataset.day,
      short: row.cells[0].dataset.short,
      href: row.querySelector("th a")?.href,
      texts: [...row.cells].slice(1).map((cell) => cell.textContent),
      values: [...row.cells].slice(1).map((cell) => (cell.dataset.value === undefined ? null : Number(cell.dataset.value))),
    }));
    return { names, days };
  }

  function tip(day, names) {
    const box = document.createElement("div");
    box.className = "chart-tip";
    const head = document.createElement("b");
    head.textContent = day.name;
    box.append(head);
    names.forEach((name, n) => {
      const line = document.createElement("span");
      const label = document.createElement("span");
      const value = document.createElement("b");
      label.textContent = n === 0 && names.length > 1 ? "This period" : name;
      value.textContent = day.texts[n];
      line.append(label, value);
      box.append(line);
    });
    return box;
  }

  function option(figure, { names, days }) {
    const [accent, faint, line, card, text] = ["accent", "faint", "line", "card", "text"].map(ink);
    const isPhone = innerWidth < 768;
    const unit = figure.dataset;
    const isBar = unit.kind === "bar";
    const looks = [
      { lineStyle: { color: accent, width: 2 }, itemStyle: { color: accent }, areaStyle: { color: accent, opacity: 0.07 } },
      { lineStyle: { color: faint, width: 1.5, type: [2, 3] }, itemStyle: { color: faint } },
    ];
    const series = names.map((name, n) => ({
      name,
      type: isBar ? "bar" : "line",
      symbol: "circle",
      symbolSize: 6,
      showSymbol: days.length === 1,
      barMaxWidth: 24,
      data: days.map((day) => day.values[n]),
      ...looks[n],
    }));
    const widest = Math.max(...days.flatMap((day) => day.values.map((value) => written(value ?? 0, unit).length)));
    const step = Math.max(1, Math.ceil(days.length / (isPhone ? 4 : 7)));
    return {
      aria: { enabled: true, label: { description: figure.getAttribute("aria-label") } },
      animation: false,
      textStyle: { fontFamily: "Inter, system-ui, sans-serif", fontSize: 12 },
      grid: { left: Math.max(36, 7 * widest + 16), right: isPhone ? 14 : 20, top: 16, bottom: 28 },
      legend: { show: false },
      tooltip: {
        trigger: "axis",
        confine: true,
        backgroundColor: card,
        borderColor: line,
        borderWidth: 1,
        padding: [8, 12],
        textStyle: { color: text, fontSize: 12 },
        axisPointer: { type: "line", lineStyle: { color: faint, width: 1, type: "solid" } },
        formatter: (points) => tip(days[points[0].dataIndex], names),
      },
      xAxis: {
        type: "category",
        boundaryGap: isBar || days.length === 1,
        data: days.map((day) => day.short),
        axisLine: { lineStyle: { color: line } },
        axisTick: { show: false },
        axisLabel: { color: faint, interval: step - 1, margin: 10, alignMinLabel: isBar ? undefined : "left" },
      },
      yAxis: {
        type: "value",
        splitNumber: 3,
        minInterval: 10 ** unit.digits === 1 ? 1 : 0,
        axisLabel: { color: faint, formatter: (value) => written(value, unit) },
        splitLine: { lineStyle: { color: line } },
      },
      series: series.reverse(),
    };
  }

  const drawn = new Map();

  /** Make the keys of a chart buttons that show a course or not. */
  function toggles(figure, chart, told) {
    all("[data-keys] span.key", figure.closest("section")).forEach((key, n) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = key.className;
      button.textContent = key.textContent;
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => {
        const isShown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", isShown);
        const data = told.days.map((day) => (isShown ? day.values[n] : null));
        chart.setOption({ series: [{ name: told.names[n], data }] });
      });
      key.replaceWith(button);
    });
  }

  const LEAST_PX = 8;

  /** Let a drag over a chart narrow the days of the page; by the keyboard, its date fields do. */
  function brush(figure, chart, { days }) {
    const band = document.createElement("div");
    band.className = "brush";
    band.hidden = true;
    figure.append(band);
    const xOf = (event) => event.clientX - figure.getBoundingClientRect().left;
    const dayAt = (x) => days[Math.min(Math.max(Math.round(chart.convertFromPixel({ seriesIndex: 0 }, [x, 0])[0]), 0), days.length - 1)];
    let began = null;
    const stop = () => { began = null; band.hidden = true; };
    figure.addEventListener("pointerdown", (event) => {
      const at = [xOf(event), event.clientY - figure.getBoundingClientRect().top];
      if (event.button === 0 && chart.containPixel("grid", at)) began = at[0];
    });
    figure.addEventListener("pointermove", (event) => {
      if (began === null) return;
      const [left, right] = [began, xOf(event)].sort((one, other) => one - other);
      band.hidden = right - left < LEAST_PX;
      if (!band.hidden) figure.setPointerCapture(event.pointerId);
      band.style.left = `${left}px`;
      band.style.width = `${right - left}px`;
    });
    figure.addEventListener("pointerup", (event) => {
      if (began === null) return;
      const [first, last] = [began, xOf(event)].sort((one, other) => one - other).map(dayAt);
      const isDrag = !band.hidden && first.day !== last.day;
      stop();
      if (!isDrag) return;
      const to = new URL(location);
      ["window", "cursor", "told"].forEach((name) => to.searchParams.delete(name));
      to.searchParams.set("from", first.day);
      to.searchParams.set("to", last.day);
      location.assign(to);
    });
    figure.addEventListener("pointercancel", stop);
  }

  async function draw(figure) {
    const table = figure.parentElement.querySelector("table");
    const told = read(table);
    const echarts = await loaded();
    if (!figure.isConnected) return;
    figure.hidden = false;
    const chart = echarts.init(figure, null, { renderer: "svg" });
    chart.setOption(option(figure, told));
    chart.getZr().on("click", ({ offsetX, offsetY }) => {
      if (!chart.containPixel("grid", [offsetX, offsetY])) return;
      const [at] = chart.convertFromPixel({ seriesIndex: 0 }, [offsetX, offsetY]);
      if (told.days[at]?.href) location.assign(told.days[at].href);
    });
    toggles(figure, chart, told);
    brush(figure, chart, told);
    const hint = document.createElement("span");
    hint.className = "hint";
    hint.textContent = "Drag over the chart to narrow the days";
    table.closest("details").querySelector("summary").append(hint);
    drawn.set(figure, { chart, told });
  }

  function drawAll(within) {
    for (const [figure, { chart }] of drawn) {
      if (!figure.isConnected) {
        chart.dispose();
        drawn.delete(figure);
      }
    }
    all(".chart", within).filter((figure) => !drawn.has(figure)).forEach(draw);
  }

  addEventListener("resize", () => drawn.forEach(({ chart }) => chart.resize()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    drawn.forEach(({ chart, told }, figure) => chart.setOption(option(figure, told)));
  });
  document.addEventListener("DOMContentLoaded", () => {
    offerAll(document);
    document.fonts.ready.then(() => drawAll(document));
  });
  document.addEventListener("htmx:afterSwap", () => {
    offerAll(document);
    drawAll(document);
  });
})();
