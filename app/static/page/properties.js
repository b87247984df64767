// Properties as table rows: value, interval, unit, flag. Nothing is computed here.

const dash = "–";
const number = (value) => (value == null ? dash : Number(value.toPrecision(4)).toString());
const interval = (lower, upper) => (lower == null ? "" : `${number(lower)} … ${number(upper)}`);
const spoken = (name) => name.replaceAll("_", " ");

export function fillProperties(main, details, properties, labels) {
  main.replaceChildren();
  details.replaceChildren();
  for (const [name, value] of Object.entries(properties)) {
    if (value == null) continue;
    if ("flag" in value) main.append(rowOf(spoken(name), value));
    else for (const row of groupRows(name, value, labels)) details.append(row);
  }
}

function* groupRows(group, members, labels) {
  for (const [name, value] of Object.entries(members)) {
    const label = labels[name] || name;
    if ("flag" in value) yield rowOf(group === "lick" ? `Lick ${name}` : `${spoken(group)} ${label}`, value);
    else for (const [part, one] of Object.entries(value)) if (one && "flag" in one) yield rowOf(`${label} ${spoken(part)}`, one);
  }
}

function rowOf(name, measured) {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = name;
  row.append(head);
  const shares = measured.probabilities ? sharesOf(measured.probabilities) : interval(measured.lower, measured.upper);
  const shown = typeof measured.value === "string" ? measured.value : number(measured.value);
  for (const text of [shown, shares, measured.unit || "", measured.flag.replaceAll("_", " ")]) {
    const cell = document.createElement("td");
    cell.textContent = text;
    row.append(cell);
  }
  if (measured.flag !== "ok") row.lastChild.className = measured.value == null ? "absent" : "flagged";
  return row;
}

function sharesOf(probabilities) {
  return Object.entries(probabilities)
    .filter(([, share]) => share > 0)
    .sort((a, b) => b[1] - a[1])
    .slice(0, 3)
    .map(([kind, share]) => `${kind} ${Math.round(100 * share)} %`)
    .join(", ");
}
