// The page: takes an image, a position or an id, follows the job, shows the prediction.

import { base, blob, call, json, predict, Problem, useKey } from "./service.js";
import { drawSpectrum, resizeSpectrum } from "./spectrum.js";
import { fillProperties } from "./properties.js";
import { snippetsOf } from "./snippets.js";

const $ = (id) => document.getElementById(id);
const LABELS = Object.fromEntries(JSON.parse($("lines").textContent).map((line) => [line.name, line.label]));
const MAX_CANDIDATES = 10;
let chosen = null;
let shown = null;

function choose(file) {
  chosen = file;
  $("drop-text").textContent = file ? `${file.name}, ${(file.size / 1024).toFixed(0)} kB` : "Choose a FITS file or drop it here";
  if (file) $("target").value = "";
}

function options() {
  const numbers = { n_candidates: $("n_candidates"), seed: $("seed"), ebv: $("ebv") };
  const given = Object.entries(numbers).filter(([, input]) => input.value !== "");
  const found = Object.fromEntries(given.map(([name, input]) => [name, Number(input.value)]));
  if ($("object_id").value.trim()) found.object_id = $("object_id").value.trim();
  return found;
}

function requestOf() {
  const typed = $("target").value.trim();
  if (typed) {
    const body = JSON.stringify({ target: typed, options: options() });
    return { body, headers: { "Content-Type": "application/json" } };
  }
  if (!chosen) throw new Problem({ title: "Nothing to predict", detail: "choose a FITS file, or type a position or an id" });
  const form = new FormData();
  form.append("image", chosen);
  form.append("options", new Blob([JSON.stringify(options())], { type: "application/json" }));
  return { body: form };
}

async function submit(event) {
  event.preventDefault();
  useKey($("key").value);
  $("problem").hidden = $("result").hidden = true;
  $("submit").disabled = true;
  try {
    const request = requestOf();
    tell({ phase: "QUEUED", progress: { stage: "sending" } });
    await show(await predict(request, tell));
  } catch (error) {
    explain(error);
  } finally {
    $("status").hidden = true;
    $("submit").disabled = false;
  }
}

function tell(job) {
  const { stage, done, total } = job.progress || {};
  $("status").hidden = false;
  $("stage").textContent = [job.phase.toLowerCase(), stage].filter(Boolean).join(": ");
  if (total) $("progress").value = done / total;
  else $("progress").removeAttribute("value");
}

function explain(error) {
  const heading = document.createElement("strong");
  heading.textContent = error instanceof Problem ? error.title : "This page failed";
  $("problem").replaceChildren(heading, document.createTextNode(`: ${error.message} `));
  if (error instanceof Problem && error.type.startsWith("/problems/")) {
    const link = document.createElement("a");
    link.href = error.type.slice(1);
    link.textContent = "What does this mean?";
    $("problem").append(link);
  }
  $("problem").hidden = false;
}

async function show(prediction) {
  shown = prediction;
  $("result").hidden = false;
  $("name").textContent = prediction.object.object_id || prediction.label || prediction.id;
  $("warnings").hidden = prediction.warnings.length === 0;
  $("warnings").replaceChildren(...prediction.warnings.map(warningItem));
  $("candidates").checked = false;
  drawSpectrum($("spectrum"), prediction, []);
  const { redshift, flux } = prediction.spectrum;
  $("spectrum-caption").textContent = `Predicted: the ${flux.statistic} of ${prediction.candidates.length} candidates, at z = ${redshift.toFixed(4)}; band: 16–84 % of the candidates, in the rest frame.`;
  fillProperties($("properties").tBodies[0], $("details").tBodies[0], prediction.properties, LABELS);
  offer(prediction);
  const { model, sampler, cutout } = prediction.provenance;
  $("provenance").textContent = `Model ${model.version} (${model.family}), trained on: ${model.training_data}. ${sampler.steps} steps, ${sampler.n_candidates} candidates, seed ${sampler.seed}. Image: ${cutout.source}, sha256 ${cutout.sha256.slice(0, 12)}…`;
  $("result").scrollIntoView({ block: "start" });
  const image = await blob(`${prediction.links.self}/cutout?format=png`);
  $("stamp").src = URL.createObjectURL(image);
  $("stamp-caption").textContent = `The image: ${cutout.source}, ${cutout.pixel_scale_arcsec}″ a pixel, north of the file up.`;
}

function warningItem(warning) {
  const item = document.createElement("li");
  item.textContent = `${warning.code.replaceAll("_", " ")}: ${warning.detail}`;
  return item;
}

function offer(prediction) {
  const kinds = { FITS: "fits", VOTable: "votable", ECSV: "ecsv", CSV: "csv", Parquet: "parquet" };
  const buttons = Object.entries(kinds).map(([label, kind]) => downloadButton(label, `${prediction.links.self}/spectrum?format=${kind}`, `${prediction.id}.${kind === "votable" ? "xml" : kind}`));
  buttons.push(downloadButton("JSON", prediction.links.self, `${prediction.id}.json`));
  buttons.push(downloadButton("Plot", `${prediction.links.self}/preview.png`, `${prediction.id}.png`));
  buttons.push(downloadButton("Image", `${prediction.links.self}/cutout?format=fits`, `${prediction.id}_cutout.fits`));
  $("downloads").replaceChildren(...buttons);
  const blocks = Object.entries(snippetsOf(base.href.replace(/\/$/, ""), prediction.id, Boolean($("key").value))).flatMap(snippet);
  $("snippets").replaceChildren(...blocks);
}

function snippet([title, text]) {
  const heading = document.createElement("h4");
  const copy = document.createElement("button");
  const block = document.createElement("pre");
  heading.textContent = `${title} `;
  block.textContent = text;
  copy.type = "button";
  copy.className = "quiet";
  copy.textContent = "Copy";
  copy.addEventListener("click", () => navigator.clipboard.writeText(text).then(() => { copy.textContent = "Copied"; }, () => { copy.textContent = "Select it below"; }));
  heading.append(copy);
  return [heading, block];
}

function downloadButton(label, path, filename) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = label;
  button.addEventListener("click", () => save(path, filename).catch(explain));
  return button;
}

async function save(path, filename) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await blob(path));
  link.download = filename;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function toggleCandidates() {
  let fluxes = [];
  if ($("candidates").checked) {
    const wanted = shown.candidates.slice(0, MAX_CANDIDATES);
    const documents = await Promise.all(wanted.map((candidate) => json(shown.links.candidate.replace("{k}", candidate.rank - 1))));
    fluxes = documents.map((document) => document.flux.values);
  }
  drawSpectrum($("spectrum"), shown, fluxes);
}

async function takeExample() {
  const answer = await call("/example.fits");
  choose(new File([await answer.blob()], "example.fits"));
}

function listen() {
  $("ask").addEventListener("submit", submit);
  $("image").addEventListener("change", () => choose($("image").files[0] || null));
  $("target").addEventListener("input", () => { if ($("target").value) choose(null); });
  $("example").addEventListener("click", () => takeExample().catch(explain));
  $("candidates").addEventListener("change", () => toggleCandidates().catch(explain));
  const drop = $("drop");
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) choose(event.dataTransfer.files[0]);
    });
  }
  window.addEventListener("resize", () => resizeSpectrum($("spectrum")));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (shown) toggleCandidates().catch(explain); });
}

listen();
