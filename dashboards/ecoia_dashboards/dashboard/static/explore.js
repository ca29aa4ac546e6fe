// Shows a chart with Plotly where a reader asks for it; until then, and without this script, the drawing stands.
"use strict";
(() => {
  const bundle = document.currentScript.dataset.plotly;
  let loading;

  const load = () => (loading ??= new Promise((done, fail) => {
    const script = document.createElement("script");
    script.src = bundle;
    script.onload = () => done(window.Plotly);
    script.onerror = () => { loading = undefined; script.remove(); fail(new Error(bundle)); };
    document.head.append(script);
  }));

  // The colour that the style sheet gives now, in this theme, to a variable or to what a mark stands for.
  const reader = figure => {
    const probe = document.createElement("span");
    figure.append(probe);
    const read = (name, role) => {
      probe.className = role ?? "";
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    return { read, end: () => probe.remove() };
  };

  const themed = (figure, { data, layout }) => {
    const { read, end } = reader(figure);
    const [ink, soft, line, control, surface] = ["ink", "soft", "line", "control", "surface"].map(name => read(name));
    const family = getComputedStyle(figure).fontFamily;
    const traces = data.map(trace => {
      const color = read("mark", trace.meta);
      const own = { ...trace, hoverlabel: { namelength: -1 } };
      if (trace.mode === "text") return { ...own, text: trace.text.map(words => `\u00a0${words}\u00a0`), textfont: { color: ink, size: 12 }, hoverinfo: "skip" };
      if (trace.type === "bar") {
        own.marker = { ...trace.marker, color, line: { color: trace.marker.pattern.shape ? color : surface, width: trace.width === 1 ? 0 : 1 } };
        if (trace.marker.pattern.shape) own.marker.pattern = { shape: trace.marker.pattern.shape, fillmode: "overlay", bgcolor: surface, fgcolor: color, size: 6 };
      } else if (trace.marker) {
        const stroke = ["circle-open", "line-ns"].includes(trace.marker.symbol) ? color : surface;
        own.marker = { ...trace.marker, color, size: 9, line: { color: stroke, width: 1.4 } };
      }
      if (trace.line) own.line = { ...trace.line, color };
      if (trace.fill) own.fillcolor = color;
      for (const error of ["error_x", "error_y"]) if (trace[error]) own[error] = { ...trace[error], symmetric: false, type: "data", color: read("ink"), thickness: 1.4, width: 4 };
      return own;
    });
    end();
    const axis = each => ({ ...each, gridcolor: line, zerolinecolor: control, linecolor: control, automargin: true, tickfont: { color: soft, size: 12 }, title: { ...each?.title, font: { color: soft, size: 12 } } });
    return [traces, {
      ...layout, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis), height: Math.max(360, 130 + (layout.height ?? 0)), autosize: true,
      paper_bgcolor: "transparent", plot_bgcolor: "transparent", font: { family, color: ink, size: 13 },
      margin: { l: 8, r: 44, t: 8, b: 8 }, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", traceorder: "normal", bgcolor: "transparent" },
      hoverlabel: { bgcolor: surface, bordercolor: control, font: { family, color: ink } },
      modebar: { orientation: "v", bgcolor: "transparent", color: soft, activecolor: ink },
    }];
  };

  const config = locale => ({
    locale: locale.name, displaylogo: false, displayModeBar: true, responsive: true, plotlyServerURL: "", showSendToCloud: false,
    modeBarButtonsToRemove: ["sendChartToCloud"],
    modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]],
  });

  const show = async (figure, button) => {
    button.disabled = true;
    try {
      const [Plotly, answer] = await Promise.all([load(), fetch(figure.dataset.figure, { credentials: "same-origin" })]);
      if (!answer.ok) throw new Error(`${answer.status} ${figure.dataset.figure}`);
      const found = await answer.json();
      Plotly.register(found.locale);
      const box = document.createElement("div");
      box.className = "explored";
      figure.append(box);
      figure.classList.add("exploring");
      await Plotly.newPlot(box, ...themed(figure, found), config(found.locale));
      button.textContent = figure.dataset.back;
    } catch (error) {
      hide(figure, button);
      console.warn(error);
    } finally {
      button.disabled = false;
    }
  };

  const hide = (figure, button) => {
    const box = figure.querySelector(".explored");
    if (box) { window.Plotly?.purge(box); box.remove(); }
    figure.classList.remove("exploring");
    button.textContent = figure.dataset.explore;
  };

  // A reader who changes the theme sees its colours at once.
  const again = () => document.querySelectorAll("figure.exploring").forEach(figure => {
    const button = figure.parentElement.querySelector("button.explore");
    hide(figure, button);
    show(figure, button);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);

  for (const figure of document.querySelectorAll("figure[data-figure]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "explore";
    button.textContent = figure.dataset.explore;
    const title = figure.closest("section")?.querySelector("h2[id]");
    if (title) button.setAttribute("aria-describedby", title.id);
    button.addEventListener("click", () => (figure.classList.contains("exploring") ? hide : show)(figure, button));
    const files = figure.parentElement.querySelector(":scope > .files");
    files ? files.prepend(button) : figure.after(button);
  }
})();
