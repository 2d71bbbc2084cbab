"use strict";
// Paints the ribbons and hides what does not have the chosen label. Without this, rows say in words what was seen.
const archive = JSON.parse(document.getElementById("archive").textContent);
const one = (selector) => document.querySelector(selector);
const rows = [...document.querySelectorAll(".video")], days = [...document.querySelectorAll(".day")];
const input = one("#label"), found = one("#found"), tip = one("#tip");
const chips = [...document.querySelectorAll(".chips button")];
const folded = archive.labels.map((label) => label.toLocaleLowerCase());
let chosen = null;  // the numbers of the labels that are shown; null: all

const colour = (label) => (label < 8 ? `var(--c${label + 1})` : chosen ? "var(--accent)" : "var(--soft)");

function gradient(pieces) {  // hard steps, transparent where nothing was seen
  const stops = [];
  let at = 0;
  const part = (place) => (100 * place / archive.parts).toFixed(2) + "%";
  for (const [begin, end, label] of pieces) {
    if (begin > at) stops.push(`transparent ${part(at)} ${part(begin)}`);
    stops.push(`${colour(label)} ${part(begin)} ${part(end)}`);
    at = end;
  }
  if (at < archive.parts) stops.push(`transparent ${part(at)} 100%`);
  return `linear-gradient(90deg, ${stops.join(",")})`;
}

function clock(seconds) {
  if (seconds < 60) return seconds.toFixed(1) + " s";
  const whole = Math.round(seconds), pad = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)} h` : `${minutes}:${pad(whole % 60)} min`;
}

function paint(row) {
  const video = archive.videos[row.dataset.video];
  const pieces = chosen === null ? video.pieces : video.pieces.filter((piece) => chosen.has(piece[2]));
  row.querySelector(".ribbon").style.backgroundImage = gradient(pieces);
}

function show() {
  let videos = 0, seconds = 0;
  for (const row of rows) {
    const video = archive.videos[row.dataset.video];
    const share = chosen === null ? 1 : [...chosen].reduce((sum, label) => sum + (video.seen[label] || 0), 0);
    row.hidden = !share;
    if (!share) continue;
    videos += 1;
    seconds += share * video.s;
    paint(row);
  }
  for (const day of days) day.hidden = ![...day.querySelectorAll(".video")].some((row) => !row.hidden);
  one("#none").hidden = videos > 0;
  found.textContent = chosen === null ? "" : `${videos.toLocaleString("en")} of ${rows.length.toLocaleString("en")} videos, ${clock(seconds)}`;
  for (const chip of chips) {
    const is = chosen !== null && chosen.has(Number(chip.dataset.label));
    chip.setAttribute("aria-pressed", is && chosen.size === 1);
  }
}

function choose(text) {  // a whole label, else all that hold the text
  const wanted = text.trim().toLocaleLowerCase();
  const exact = folded.indexOf(wanted);
  const fits = exact >= 0 ? [exact] : [...folded.keys()].filter((label) => folded[label].includes(wanted));
  chosen = wanted ? new Set(fits) : null;
  history.replaceState(null, "", wanted ? `#${encodeURIComponent(text.trim())}` : " ");
  show();
}

function tell(event) {
  const ribbon = event.target.closest(".ribbon");
  tip.hidden = !ribbon;
  if (!ribbon) return;
  const box = ribbon.getBoundingClientRect(), video = archive.videos[ribbon.closest(".video").dataset.video];
  const part = Math.max(0, Math.min(0.9999, (event.clientX - box.left) / box.width));
  const piece = video.pieces.find(([begin, end]) => part * archive.parts >= begin && part * archive.parts < end);
  const at = part * video.s, time = video.start && new Date(Date.parse(video.start + "Z") + at * 1000);
  const when = time ? `${time.toISOString().slice(11, 19)} (${clock(at)})` : clock(at);
  tip.textContent = `${when}: ${piece ? archive.labels[piece[2]] : "nothing named"}`;
  tip.style.top = `${box.bottom + 6}px`;
  tip.style.left = `${Math.max(8, Math.min(event.clientX - 20, innerWidth - tip.offsetWidth - 8))}px`;
}

one("#known").append(...archive.labels.slice(0, 500).map((label) => Object.assign(document.createElement("option"), { value: label })));
one("#filter").hidden = false;
input.addEventListener("input", () => choose(input.value));
for (const chip of chips) {
  chip.addEventListener("click", () => {
    const label = archive.labels[chip.dataset.label];
    input.value = chip.getAttribute("aria-pressed") === "true" ? "" : label;
    choose(input.value);
  });
}
one("#all").addEventListener("click", () => { input.value = ""; choose(""); });
document.addEventListener("pointermove", tell);
document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
input.value = decodeURIComponent(location.hash.slice(1));
choose(input.value);
