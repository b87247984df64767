// The predicted spectrum: the shown candidate, the 16–84 % band, other candidates, line markers at its redshift.

const LINES = JSON.parse(document.getElementById("lines").textContent).filter((line) => line.mark !== null);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
let drawn = null;

export function drawSpectrum(box, prediction, candidates) {
  if (drawn) drawn.destroy();
  const { spectrum } = prediction;
  const [low, , high] = spectrum.quantiles.values;
  const shown = css("--accent");
  const series = [
    { label: "Å", value: (_, v) => (v == null ? "–" : v.toFixed(0)) },
    { label: "84 %", stroke: "transparent", points: { show: false }, value: number },
    { label: "16 %", stroke: "transparent", points: { show: false }, value: number },
    ...candidates.map((_, k) => ({ label: `#${k + 1}`, stroke: css("--candidate"), width: 1, points: { show: false }, value: number })),
    { label: "predicted flux", stroke: shown, width: 1.4, points: { show: false }, value: number },
  ];
  const options = {
    width: box.clientWidth || 600,
    height: Math.max(260, Math.min(420, (box.clientWidth || 600) * 0.5)),
    scales: { x: { time: false } },
    legend: { show: false },
    series,
    bands: [{ series: [1, 2], fill: css("--band") }],
    axes: [axis("observed wavelength in vacuum, Å"), axis("F_λ, 10⁻¹⁷ erg s⁻¹ cm⁻² Å⁻¹")],
    hooks: { draw: [(plot) => markLines(plot, spectrum.redshift)] },
  };
  drawn = new uPlot(options, [spectrum.wavelength.values, high, low, ...candidates, spectrum.flux.values], box);
  return drawn;
}

export function resizeSpectrum(box) {
  if (drawn) drawn.setSize({ width: box.clientWidth, height: drawn.height });
}

const number = (_, value) => (value == null ? "–" : value.toPrecision(3));
const axis = (label) => ({
  label, stroke: css("--text"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line") },
  font: "12px system-ui", labelFont: "12px system-ui",
});

function markLines(plot, redshift) {
  if (redshift == null) return;
  const { ctx, bbox } = plot;
  const ratio = window.devicePixelRatio || 1;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = css("--soft");
  ctx.setLineDash([3 * ratio, 4 * ratio]);
  ctx.font = `${11 * ratio}px system-ui`;
  let lastLabelled = -Infinity;
  for (const { mark, wave_aa: wave } of LINES) {
    const x = plot.valToPos(wave * (1 + redshift), "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top + 16 * ratio);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (!mark || x - lastLabelled < 46 * ratio) continue;
    const left = Math.max(bbox.left + 2 * ratio, Math.min(x - 10 * ratio, bbox.left + bbox.width - 46 * ratio));
    ctx.fillText(mark, left, bbox.top + 11 * ratio);
    lastLabelled = x;
  }
  ctx.restore();
}
