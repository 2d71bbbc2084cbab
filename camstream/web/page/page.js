// The page: what camstream says becomes what is seen; each part of the page is a module of its own.

import { $, bar, click, clock, fill, make, percent, press, seldom, setBar, show, span, text } from "./base.js";
import { cameras } from "./cameras.js";
import { controls } from "./controls.js";
import { keys } from "./keys.js";
import { Link } from "./link.js";
import { picture } from "./picture.js";
import { player } from "./player.js";
import { teaching } from "./teach.js";

const STALE_MS = 1000; // as in the window: an older picture is not shown as if it were live
const SLOWEST_MS = 5000;
const UNSURE = 1 / 3; // under it nothing is named, see the glossary
const IS_HERE = /^(localhost|127\.[\d.]+|\[::1\])$/.test(location.hostname); // clocks are one

const app = {
	state: null,
	hello: { can_control: false, actions: [] },
	drawnAt: -Infinity, // of the last picture, performance.now()
	toScreenMs: null,
	can: (action) => app.hello.can_control && app.hello.actions.includes(action),
	act: (action, values = {}) => {
		if (!app.hello.can_control) return;
		if (!link.send({ type: "do", action, values })) say("not connected: nothing was done");
	},
	ask: (query) => link.send({ type: "classes", query }),
};

const aloud = seldom(500, (words) => text($("aloud"), words));
let toastTimer = 0;

function say(words, isError = false) {
	text($("toast"), words);
	$("toast").classList.toggle("error", isError);
	clearTimeout(toastTimer);
	toastTimer = setTimeout(() => text($("toast"), ""), 2500 + 50 * words.length);
	aloud(words);
}

const canvas = picture(app);
const dials = controls(app);
const parts = [canvas, player(app), dials, teaching(app), cameras(app)];
keys(app);
const link = new Link({ hear, draw, change: status });

function hear(message) {
	if (message.type === "state") take(message);
	else if (message.type === "classes") dials.hear(message);
	else if (message.type === "error") say(message.message, true);
	else if (message.type === "hello") {
		app.hello = message;
		document.body.classList.toggle("viewer", !message.can_control);
	}
}

let said = "";
function take(state) {
	app.state = state;
	if (state.message && said !== state.message) say(state.message);
	said = state.message;
	text($("source"), state.source || "camstream");
	document.title = state.recording ? `● ${state.source}` : `${state.source} – camstream`;
	seen(state);
	for (const part of parts) part.render(state);
	status();
}

// What is seen

function seen(state) {
	const view = state.displayed?.[0];
	const best = state.top ?? [];
	text($("name"), view?.name ?? "…");
	text($("sure"), view ? percent(view.score) : "");
	$("headline").classList.toggle("unsure", view?.is_sure === false);
	const presence = state.presence;
	show($("since"), presence);
	if (presence) {
		const since = new Date(Date.now() - presence.since_s * 1000).toLocaleTimeString();
		text($("since"), presence.since_s == null ? "" : `for ${span(presence.since_s)}, since ${since}`);
		$("since").classList.toggle("there", presence.is_present);
	}
	const rows = $("best");
	while (rows.children.length > best.length) rows.lastChild.remove();
	while (rows.children.length < best.length) rows.append(row());
	best.forEach((one, at) => {
		const [button] = rows.children[at].children;
		setBar(button, one.label, percent(one.score), one.score);
		rows.children[at].classList.toggle("unsure", one.score < UNSURE);
		press(button, dials.isChosen(one));
		button.one = one;
		button.disabled = !app.can("ShowClasses");
	});
}

function row() {
	const button = bar(() => dials.choose(button.one));
	return make("li", {}, button);
}

// How it is going

let drawn = [];
let gapMs = 0; // between two pictures, of late: over a slow line they come seldom
function draw(bitmap, capturedMs) {
	const now = performance.now();
	if (now - app.drawnAt < SLOWEST_MS) gapMs = gapMs * 0.8 + (now - app.drawnAt) * 0.2;
	app.drawnAt = now;
	canvas.paint(bitmap);
	drawn = [...drawn.filter((at) => now - at < 2000), now];
	const lag = Date.now() - capturedMs;
	app.toScreenMs = app.state?.rate_hz == null ? null : (app.toScreenMs ?? lag) * 0.9 + lag * 0.1;
	if (document.body.dataset.state !== "live") status();
}

// A word for the page's look, and words for people.
function condition() {
	const state = app.state;
	const lost = span((performance.now() - link.lostAt) / 1000);
	if (!link.isOpen || !state) {
		if (link.why) return ["lost", `${link.why}; trying again`];
		if (app.drawnAt > 0) return ["lost", `lost ${lost}, trying again`];
		return ["wait", lost === "0 s" ? "connecting" : `no answer for ${lost}, trying again`];
	}
	if (!canvas.hasPicture()) return ["wait", state.source_state || `waiting for the first picture of ${state.source}`];
	if (state.is_paused) return ["paused", "paused"];
	if (state.is_stale) return ["stale", state.source_state || `no picture for ${span(state.without_picture_s)}`]; // the picture says it
	if (state.player) return ["live", state.player.counts === "photos" ? "photos" : state.player.has_ended ? "the end" : "playing"];
	const age = performance.now() - app.drawnAt;
	if (age > Math.max(STALE_MS, 3000 / (state.source_rate_hz || 30), 3 * gapMs)) return ["lost", `no picture for ${span(age / 1000)}`];
	return ["live", "live"];
}

let wasFine = true;
function status() {
	const state = app.state;
	const [look, words] = condition();
	document.body.dataset.state = look;
	text($("status"), words);
	show($("veil"), look === "lost" || look === "wait");
	text($("why"), words);
	show($("held"), look === "paused");
	text($("held"), state?.passed ? `paused, ${state.passed} frames passed` : "paused");
	const isWanted = app.hello.can_control && link.isOpen && state?.source === "phone" && !["live", "paused"].includes(look);
	show($("code"), isWanted); // a phone is to be the camera, and is not here
	if (isWanted && !$("code").src) $("code").src = "phone.svg";
	const isFine = look !== "lost" && look !== "stale"; // seconds are counted for the eye only
	if (isFine !== wasFine) aloud(isFine ? "the picture is back" : words);
	wasFine = isFine;
	show($("recording"), state?.recording && link.isOpen);
	text($("recorded"), clock(state?.recorded_s ?? 0).padStart(5, "0"));
	rates(state, look);
}

function rates(state, look) {
	const device = (state?.device ?? "").toUpperCase();
	const isRunning = look === "live" && state.rate_hz != null && !state.player?.has_ended && state.player?.counts !== "photos";
	const lag = (IS_HERE ? app.toScreenMs : null) ?? state?.lag_ms ?? 0;
	const readings = isRunning ? `${Math.round(state.rate_hz)} fps · ${Math.round(lag)} ms · ` : "";
	text($("rates"), readings + device);
	show($("rates"), state);
	if ($("details").hidden || !state) return;
	const now = performance.now();
	const times = drawn.filter((at) => now - at < 2000);
	const rows = [
		["Model", `${state.model} on ${device}`],
		["Comes in", state.source_rate_hz ? `${Math.round(state.source_rate_hz)} frames a second` : "at an unknown rate"],
		["Looked at", state.rate_hz == null ? "nothing now" : `${state.rate_hz.toFixed(1)} frames a second`],
		["Lag", `${Math.round(state.lag_ms ?? 0)} ms where camstream runs${IS_HERE && app.toScreenMs !== null ? `, ${Math.round(app.toScreenMs)} ms to this page` : ""}`],
		["This page", `${(times.length / 2).toFixed(0)} pictures a second`],
		["Frames", `${state.shown} shown, ${state.dropped} not shown`],
	];
	fill($("details"), rows, ([term]) => term, ([term]) => make("div", {}, make("dt", {}, term), make("dd")));
	rows.forEach(([, words], at) => text($("details").children[at].lastChild, words));
}

click("rates", () => {
	const isOpen = $("details").hidden;
	show($("details"), isOpen);
	$("rates").ariaExpanded = String(isOpen);
	status();
});

setInterval(status, 250);
