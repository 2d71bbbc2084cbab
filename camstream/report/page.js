"use strict";
// Shows the frame of a chosen moment. The curves are drawn already; without this they stay.
const timeline = JSON.parse(document.getElementById("timeline").textContent);
const one = (selector) => document.querySelector(selector);
const time = one(".time"), picture = one(".frame img"), note = one("#note");
const video = one(".frame video"), track = one(".track");
const places = [...document.querySelectorAll("[data-place]")];
let now = 0;

function clock(seconds) {
  if (seconds < 60) return seconds.toFixed(2) + " s";
  const tenths = Math.round(seconds * 10), pad = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(tenths / 36000), minutes = Math.floor(tenths / 600) % 60;
  const rest = tenths % 600, whole = Math.floor(rest / 10);
  return hours ? `${hours}:${pad(minutes)}:${pad(whole)}` : `${minutes}:${pad(whole)}.${rest % 10}`;
}

function nearest(times, wanted) {  // the place of the nearest of growing times
  let low = 0, high = times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < wanted) low = middle + 1; else high = middle;
  }
  return low > 0 && wanted - times[low - 1] <= times[low] - wanted ? low - 1 : low;
}

function shownAt(wanted) {  // the frame on the screen at a time: the last one before it
  const near = nearest(timeline.times, wanted);
  return timeline.times[near] > wanted + 1e-6 && near > 0 ? near - 1 : near;
}

function put(mark, place) {
  mark.style.visibility = place ? "visible" : "hidden";
  if (place) mark.setAttribute("transform", `translate(${place[0]} ${place[1]})`);
}

function scoreLine([label, score]) {
  const line = document.createElement("li"), bar = document.createElement("i");
  for (const text of [timeline.labels[label], (score * 100).toFixed(score < 0.1 ? 1 : 0) + "%"]) {
    line.append(Object.assign(document.createElement("span"), { textContent: text }));
  }
  bar.style.width = score * 100 + "%";
  if (label in timeline.colours) bar.style.background = `var(--c${timeline.colours[label]})`;
  line.append(bar);
  return line;
}

function show(moment) {  // what is known of a moment; the video goes its own way, see go
  now = Math.max(0, Math.min(timeline.times.length - 1, moment));
  const at = timeline.times[now], [start, end] = timeline.span;
  one("#at").textContent = clock(at);
  one("#best").textContent = timeline.labels[timeline.best[now][0][0]];
  one("#scores").replaceChildren(...timeline.best[now].map(scoreLine));
  one(".cursor").style.setProperty("--at", (at - start) / (end - start));
  for (const mark of places) put(mark, timeline[mark.dataset.place][now]);
  const area = timeline.area[now];
  note.textContent = area === null ? "no positive evidence" : `area ${Math.round(area * 100)}%`;
  if (picture) {
    const near = nearest(timeline.thumbTimes, at), off = timeline.thumbTimes[near] - at;
    picture.src = timeline.thumbs[near];
    picture.dataset.at = timeline.thumbTimes[near];
    if (Math.abs(off) > 0.0015 && (!video || video.hidden)) note.textContent += `, picture of ${clock(timeline.thumbTimes[near])}`;
  }
  time.setAttribute("aria-valuenow", at.toFixed(2));
  time.setAttribute("aria-valuetext", `${clock(at)}, ${one("#best").textContent}`);
}

function go(moment, plays) {  // to a moment, and play from there
  show(moment);
  if (!video || video.hidden) return;
  video.currentTime = timeline.times[now] + 1e-3;
  if (plays) video.play(); else video.pause();
}

function point(event) {
  const box = track.getBoundingClientRect(), [start, end] = timeline.span;
  const part = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  go(shownAt(start + part * (end - start)), event.type === "pointerup");
}

time.addEventListener("pointerdown", (event) => { time.setPointerCapture(event.pointerId); point(event); });
time.addEventListener("pointermove", (event) => { if (event.buttons) point(event); });
time.addEventListener("pointerup", point);

if (video) {  // it is beside the page, or it was and the page works without it
  const play = one("#play"), toggle = () => (video.paused ? video.play() : video.pause());
  const ready = () => {
    video.hidden = play.hidden = false;
    video.currentTime = timeline.times[now] + 1e-3;
  };
  if (video.readyState >= 2) ready(); else video.addEventListener("loadeddata", ready, { once: true });
  video.addEventListener("error", () => { video.hidden = play.hidden = true; });
  const follow = () => {
    if (video.paused) return;
    show(shownAt(video.currentTime));
    requestAnimationFrame(follow);
  };
  video.addEventListener("play", () => { play.textContent = "Pause"; follow(); });
  video.addEventListener("pause", () => { play.textContent = "Play"; });
  play.addEventListener("click", toggle);
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || document.activeElement instanceof HTMLButtonElement || video.hidden) return;
    event.preventDefault();
    toggle();
  });
}

function download(source, width, height) {  // throws where the browser does not give its pixels
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").drawImage(source, 0, 0, width, height);
  const name = `${document.title.replace(/ over time$/, "")} ${timeline.times[now].toFixed(2)} s.png`;
  Object.assign(document.createElement("a"), { href: canvas.toDataURL("image/png"), download: name }).click();
}

one("#save")?.addEventListener("click", () => {
  try {
    if (!video || video.hidden) throw new Error("no video");
    download(video, video.videoWidth, video.videoHeight);
  } catch {  // a page that is opened as a file may not read the video: its own picture, then
    download(picture, picture.naturalWidth, picture.naturalHeight);
  }
});
one("#copy")?.addEventListener("click", async (event) => {
  const command = timeline.command.replace("AT", timeline.times[now].toFixed(2));
  try {
    await navigator.clipboard.writeText(command);
    event.target.textContent = `Copied: ${command}`;
  } catch {
    event.target.textContent = command;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
  const onTime = document.activeElement === time;
  if (!(event.key in steps) || (!onTime && !event.key.startsWith("ArrowL") && !event.key.startsWith("ArrowR"))) return;
  event.preventDefault();
  go(now + steps[event.key] * (event.shiftKey ? 10 : 1), false);
});
for (const button of document.querySelectorAll("[data-t]")) {
  if (button.dataset.thumb && timeline.thumbs.length) {
    const small = Object.assign(new Image(), { src: timeline.thumbs[button.dataset.thumb], alt: "" });
    button.querySelector(".pic").append(small);
  }
  button.addEventListener("click", () => {
    go(shownAt(Number(button.dataset.t)), true);
    one(".look").scrollIntoView({ block: "nearest", behavior: "smooth" });
  });
}
show(shownAt(timeline.first));
