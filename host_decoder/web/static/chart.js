// Lines over time, by uPlot, in the colours of the sheet.
const DAY_S = 86400;
let library;

function plot() {
  library ??= new Promise((done, failed) => {
    const script = Object.assign(document.createElement("script"), { src: "/static/vendor/uPlot.iife.min.js" });
    const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/static/vendor/uPlot.min.css" });
    script.onload = () => done(window.uPlot);
    script.onerror = () => failed(new Error("uPlot could not be loaded"));
    document.head.append(sheet, script);
  });
  return library;
}

// lines: [{name, values, colour, unit, scale}], one value for each of `times` (Unix seconds) or null
export async function chart(holder, times, lines) {
  const Plot = await plot();
  const style = getComputedStyle(document.documentElement);
  const ink = (name) => style.getPropertyValue(name).trim();
  const axis = (more) => ({ stroke: ink("--soft"), font: "11px system-ui", grid: { stroke: ink("--line"), width: 1 }, ticks: { show: false }, ...more });
  const scales = [...new Set(lines.map((line) => line.scale))];
  const options = {
    width: holder.clientWidth || 400,
    height: 190,
    cursor: { points: { size: 6 }, drag: { x: true, y: false } },
    scales: Object.fromEntries(scales.map((scale) => [scale, { range: (_, low, high) => (low == null ? [0, 1] : scale === "dB" ? [low - 1, high + 1] : [0, Math.max(high * 1.1, 1e-6)]) }])),
    series: [{}, ...lines.map((line) => ({ label: line.name, scale: line.scale, stroke: ink(line.colour), width: 1.6, fill: line.isFilled ? `${ink(line.colour)}22` : undefined, spanGaps: false, points: { size: 4, show: times.length < 40 }, value: (_, value) => (value == null ? "–" : `${+value.toFixed(2)} ${line.unit}`) }))],
    axes: [axis({ values: [[DAY_S, "{MMM} {D}", null, null, null, null, null, null, 1], [3600, "{HH}:{mm}", "\n{MMM} {D}", null, null, null, null, null, 1], [60, "{HH}:{mm}", null, null, null, null, null, null, 1], [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1]] }),
      ...scales.map((scale, index) => axis({ scale, side: index ? 1 : 3, size: 44, grid: index ? { show: false } : { stroke: ink("--line"), width: 1 } }))],
  };
  const drawn = new Plot(options, [times, ...lines.map((line) => line.values)], holder);
  const watch = new ResizeObserver(() => holder.clientWidth && drawn.setSize({ width: holder.clientWidth, height: 190 }));
  watch.observe(holder);
  return () => {
    watch.disconnect();
    drawn.destroy();
  };
}
