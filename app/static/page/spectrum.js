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
  ctx.textAlign = "left";
  const placed = [];
  const seen = LINES.map((line) => ({ ...line, x: plot.valToPos(line.wave_aa * (1 + redshift), "x", true) }))
    .filter(({ x }) => x >= bbox.left && x <= bbox.left + bbox.width);
  for (const { x } of seen) {
    ctx.beginPath();
    ctx.moveTo(x, bbox.top + 28 * ratio);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  // two rows of labels; the longest, Hα + [N II], finds its place first
  for (const { mark, x } of seen.filter((line) => line.mark).sort((a, b) => b.mark.length - a.mark.length)) {
    const width = ctx.measureText(mark).width;
    const left = Math.max(bbox.left, Math.min(x - width / 2, bbox.left + bbox.width - width));
    const isFree = (row) => placed.every((one) => one.row !== row || left > one.right + 4 * ratio || left + width < one.left - 4 * ratio);
    const row = [0, 1].find(isFree);
    if (row === undefined) continue;
    ctx.fillText(mark, left, bbox.top + (11 + 13 * row) * ratio);
    placed.push({ row, left, right: left + width });
  }
  ctx.restore();
}
