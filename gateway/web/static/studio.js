// The trend chart with its spikes, and the numbers that move.

const script = document.currentScript;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const number = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact" });

function bands(spikes) {
  // Drawn under the lines: a wash over the time of each spike and a rule at its start.
  return {
    hooks: {
      drawClear: (plot) => {
        const { ctx, bbox } = plot;
        ctx.save();
        for (const spike of spikes) {
          const left = plot.valToPos(spike.start, "x", true);
          const right = Math.max(left + 3, plot.valToPos(spike.end, "x", true));
          ctx.fillStyle = colour("--glow-soft");
          ctx.fillRect(left, bbox.top, right - left, bbox.height);
          ctx.fillStyle = colour("--glow");
          ctx.fillRect(left, bbox.top, 2 * devicePixelRatio, bbox.height);
        }
        ctx.restore();
      },
    },
  };
}

function draw(holder) {
  const { times, series, spikes } = JSON.parse(holder.dataset.chart);
  const reading = holder.parentElement.querySelector("[data-chart-reading]");
  const utc = (seconds) => new Date(seconds * 1000);
  const dayOf = (seconds) => utc(seconds).toLocaleString("en-GB", { timeZone: "UTC", day: "numeric", month: "short" });
  const hourOf = (seconds) => utc(seconds).toLocaleString("en-GB", { timeZone: "UTC", hour: "2-digit", minute: "2-digit" });
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--chart-grid"), width: 1 }, ticks: { show: false }, font: "12px Inter, sans-serif" };
  const options = {
    width: holder.clientWidth,
    height: 280,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    legend: { show: false },
    cursor: { points: { size: 7 }, drag: { x: false } },
    scales: { x: { time: true }, y: { range: (_, __, top) => [0, Math.max(1, top * 1.08)] } },
    axes: [{ ...axis, space: 70, values: (_, ticks, __, ___, step) => ticks.map((tick) => (step >= 86400 ? dayOf(tick) : hourOf(tick))) }, { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => compact.format(tick)) }],
    series: [{}, ...series.map((each, index) => ({ label: each.name, stroke: colour(`--chart-${index + 1}`), width: 1.75, points: { show: times.length < 3 } }))],
    plugins: [bands(spikes)],
    hooks: {
      setCursor: [(plot) => {
        const at = plot.cursor.idx;
        if (at == null) { reading.textContent = "\u00a0"; return; }
        const when = new Date(times[at] * 1000).toLocaleString("en", { timeZone: "UTC", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
        reading.textContent = [`${when} UTC`, ...series.map((each) => `${each.name} ${each.values[at] == null ? "hidden" : number.format(each.values[at])}`)].join("   ");
      }],
    },
  };
  const plot = new uPlot(options, [times, ...series.map((each) => each.values)], holder);
  new ResizeObserver(() => plot.setSize({ width: holder.clientWidth, height: 280 })).observe(holder);
  return plot;
}

let plots = [];
function drawAll() {
  for (const plot of plots) plot.destroy();
  plots = [...document.querySelectorAll("[data-chart]")].map(draw);
}
drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

function live(url) {
  const state = document.querySelector("[data-live-state]");
  const trending = document.querySelector("[data-live-trending]");
  const source = new EventSource(url);
  source.onmessage = (message) => {
    const now = JSON.parse(message.data);
    state.dataset.state = "on";
    state.textContent = "live";
    trending.hidden = !now.trending_position;
    trending.textContent = `№ ${now.trending_position} trending`;
    for (const tally of now.totals ?? []) {
      const place = document.querySelector(`[data-live="${tally.event_type}"]`);
      if (place) place.textContent = tally.is_suppressed ? "" : `· ${compact.format(tally.event_count)} in the last hour`;
    }
  };
  source.addEventListener("problem", () => { state.dataset.state = "off"; state.textContent = "live numbers paused"; });
  source.onerror = () => { state.dataset.state = "off"; state.textContent = "live numbers paused"; };
  addEventListener("pagehide", () => source.close());
}
live(script.dataset.liveUrl);
