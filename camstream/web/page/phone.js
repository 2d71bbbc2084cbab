"use strict";
// The phone's camera goes to camstream over the socket /phone, one picture at a time, when it asks;
// what camstream makes of it comes back over the socket /live. See docs/manual/phone.md.

const LONGEST_PX = 1280;
const QUALITY = 0.8;
const WAITS_S = [0.5, 1, 2, 4, 8]; // before another attempt to connect; the last is repeated
const STALE_MS = 3000;

const at = (id) => document.getElementById(id);
const canvas = at("picture");
const video = at("preview");
const drawing = document.createElement("canvas");

const state = {
  stream: null, // of the camera
  facing: "environment",
  asked: false, // camstream waits for a picture
  busy: false, // one is being encoded
  paused: false,
  captured: 0, // of the newest picture, ms
  went: 0, // the same, of the last that was sent
  sent: [], // when pictures were sent, the last two seconds
  lag: null, // from capture to map, ms, as camstream measures it
  shownAt: 0, // the last annotated picture
  lostAt: 0, // since when there is no connection
  problem: "", // of the camera
  over: "", // why no connection is tried any more
};

// What is said

function tell() {
  const now = performance.now();
  state.sent = state.sent.filter((one) => one > now - 2000);
  const connected = sending.isOpen();
  const flows = connected && state.sent.length > 0 && !state.paused;
  let words, more = "";
  if (state.problem) [words, more] = state.problem;
  else if (state.over) [words, more] = state.over;
  else if (!state.stream) words = "Asking for the camera. Please allow it.";
  else if (!connected) {
    const lost = state.lostAt ? ` for ${Math.round((now - state.lostAt) / 1000)} s` : "";
    words = `No connection to camstream${lost}`;
    more = "Trying again by itself.";
  } else if (state.paused) words = "Paused: nothing is sent";
  else if (!flows) words = state.asked ? "The camera starts" : "camstream takes no picture now";
  else {
    words = "This phone is the camera";
    const rate = Math.round(state.sent.length / 2);
    more = `${rate} ${rate === 1 ? "picture" : "pictures"} a second`;
    if (state.lag !== null) more += `, ${Math.round(state.lag)} ms from the camera to the map`;
  }
  put(at("status"), words);
  put(at("more"), more);
  const set = document.body.classList;
  set.toggle("sending", flows);
  set.toggle("wrong", Boolean(state.problem || state.over) || (!connected && Boolean(state.lostAt)));
  set.toggle("alone", !state.shownAt || now - state.shownAt > STALE_MS);
  set.toggle("lost", !connected && Boolean(state.lostAt));
  at("again").hidden = !(state.problem || state.over);
  at("turn").hidden = !state.stream;
  at("pause").hidden = !state.stream;
  put(at("pause"), state.paused ? "Go on" : "Pause");
}

function put(element, words) {
  if (element.textContent !== words) element.textContent = words; // else it is read aloud again
}

// The camera

async function openCamera() {
  state.problem = "";
  closeCamera();
  if (!window.isSecureContext) {
    state.problem = ["A camera needs https", "Open the link that camstream printed; it begins with https://"];
  } else if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia || !canvas.toBlob) {
    state.problem = ["This browser is too old", "It gives no camera to pages. Update it, or take another one."];
  } else {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: {
          facingMode: { ideal: state.facing },
          width: { ideal: 1280 },
          height: { ideal: 720 },
          frameRate: { ideal: 30 },
        },
      });
      closeCamera(); // another call may have been quicker
      state.stream = stream;
      stream.getVideoTracks()[0].onended = () => {
        if (state.stream !== stream) return;
        closeCamera();
        state.problem = ["The camera has stopped", "Another program may use it now."];
        tell();
      };
      video.srcObject = stream;
      await video.play();
      keepAwake();
    } catch (error) {
      if (error.name !== "AbortError") state.problem = problemOf(error); // it was opened anew
    }
  }
  tell();
}

function closeCamera() {
  if (state.stream) for (const track of state.stream.getTracks()) track.stop();
  state.stream = null;
}

function problemOf(error) {
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return ["The camera was refused", "Allow it for this page in the browser's settings, then try again."];
    case "NotFoundError":
    case "OverconstrainedError":
      return ["There is no camera", "This device has none that a page can use."];
    case "NotReadableError":
      return ["The camera cannot be opened", "Another program may use it. Close that, then try again."];
    default:
      return ["The camera cannot be opened", String(error.message || error.name)];
  }
}

async function keepAwake() {
  try {
    await navigator.wakeLock.request("screen");
  } catch {
    // The screen may go dark; the user sees that.
  }
}

function onFrame(now, metadata) {
  // The time of capture, where the browser tells it; the time of showing is later.
  state.captured = (metadata && metadata.captureTime) || now;
  send();
  next();
}

function next() {
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(onFrame);
  else requestAnimationFrame((now) => onFrame(now));
}

async function send() {
  const [width, height] = [video.videoWidth, video.videoHeight];
  if (!state.asked || state.busy || state.paused || !state.stream || !width || !sending.isOpen()) return;
  state.asked = false;
  state.busy = true;
  const captured = (state.went = state.captured);
  try {
    const scale = Math.min(1, LONGEST_PX / Math.max(width, height));
    drawing.width = Math.round((width * scale) / 2) * 2;
    drawing.height = Math.round((height * scale) / 2) * 2;
    drawing.getContext("2d").drawImage(video, 0, 0, drawing.width, drawing.height);
    const jpeg = await new Promise((done) => drawing.toBlob(done, "image/jpeg", QUALITY));
    const head = new DataView(new ArrayBuffer(8));
    head.setFloat64(0, captured);
    if (jpeg && sending.send(new Blob([head.buffer, jpeg]))) state.sent.push(performance.now());
    else state.asked = true;
  } finally {
    state.busy = false;
  }
}

// Connections

class Link {
  constructor(path, onMessage) {
    this.path = path;
    this.onMessage = onMessage;
    this.attempts = 0;
    this.socket = null;
  }

  isOpen() {
    return this.socket !== null && this.socket.readyState === WebSocket.OPEN;
  }

  open() {
    clearTimeout(this.timer);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}${this.path}`);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.attempts = 0;
      if (this === sending) state.lostAt = 0;
      tell();
    };
    socket.onmessage = (event) => this.onMessage(event.data);
    socket.onclose = (event) => this.closed(socket, event);
  }

  async closed(socket, event) {
    if (socket !== this.socket) return;
    if (this === sending) {
      state.asked = false;
      state.lostAt = state.lostAt || performance.now();
      if (event.code === 4001) state.over = ["Another phone is the camera now", "Try again to use this one."];
      else if (event.code === 4003) state.over = ["This link is not for a camera", "Scan the code for phones."];
      else if (event.code === 1006) await this.explain();
    }
    const wait = WAITS_S[Math.min(this.attempts++, WAITS_S.length - 1)];
    if (!state.over) this.timer = setTimeout(() => this.open(), wait * 1000);
    tell();
  }

  // A refusal looks like any other lost connection to a socket, but not to a request.
  async explain() {
    try {
      const answer = await fetch("state.json", { cache: "no-store" });
      if (answer.status === 403) state.over = ["camstream was started anew", "Scan its new code."];
    } catch {
      // Nobody there: it may come back.
    }
  }

  send(data) {
    if (!this.isOpen()) return false;
    this.socket.send(data);
    return true;
  }
}

const sending = new Link("/phone", (data) => {
  const message = JSON.parse(data);
  if (message.type === "ping") {
    sending.send(JSON.stringify({ type: "pong", id: message.id, ms: performance.now() }));
  } else if (message.type === "next") {
    state.asked = true; // the newest picture goes, or the next where that has gone already
    if (state.captured > state.went) send();
  }
});

const seeing = new Link("/live", async (data) => {
  if (typeof data === "string") {
    const message = JSON.parse(data);
    if (message.type === "state") state.lag = message.lag_ms;
    return;
  }
  const number = new DataView(data).getUint32(0);
  const image = await createImageBitmap(new Blob([new Uint8Array(data, 12)], { type: "image/jpeg" }));
  if (canvas.width !== image.width || canvas.height !== image.height) {
    canvas.width = image.width;
    canvas.height = image.height;
  }
  canvas.getContext("2d").drawImage(image, 0, 0); // the browser shows it with its next frame
  image.close();
  state.shownAt = performance.now();
  seeing.send(JSON.stringify({ type: "ack", picture: number }));
});

function start() {
  state.over = "";
  if (!state.stream) openCamera();
  for (const link of [sending, seeing]) if (!link.isOpen()) link.open();
}

at("again").onclick = start;
at("turn").onclick = () => {
  state.facing = state.facing === "user" ? "environment" : "user";
  openCamera();
};
at("pause").onclick = () => {
  state.paused = !state.paused;
  tell();
};
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  keepAwake();
  if (state.stream && state.stream.getVideoTracks()[0].readyState === "ended") openCamera();
  else if (video.paused) video.play().catch(() => {});
});

next();
start();
setInterval(tell, 500);
