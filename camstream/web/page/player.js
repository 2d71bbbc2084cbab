// A file or photos as the source: where it is, and the labels found so far.

import { $, click, clock, fill, follow, make, options, press, seldom, show, text, touch } from "./base.js";

const TURN = 137.5; // degrees of hue: neighbours differ, however many there are

export function player(app) {
	const seek = $("seek");
	const go = seldom(120, (to) => app.act("Seek", { to: Number(to) }));
	touch(seek, "input", go);
	click("step-back", () => (isPhotos() ? app.act("Skip", { by_s: -5 }) : app.act("Step", { frames: -1 })));
	click("step-on", () => (isPhotos() ? app.act("Skip", { by_s: 5 }) : app.act("Step", { frames: 1 })));
	click("loop", () => app.act("Loop"));
	touch($("speed"), "change", (speed) => app.act("SetSpeed", { speed: Number(speed) }));
	const isPhotos = () => app.state?.player?.counts === "photos";

	function place(state) {
		const { position, duration, counts } = state;
		if (counts === "photos") return `${position + 1} / ${(duration ?? 0) + 1}`;
		return duration === null ? clock(position) : `${clock(position)} / ${clock(duration)}`;
	}

	function render({ player: state }) {
		show($("player"), state);
		if (!state) return;
		const photos = state.counts === "photos";
		show($("track"), state.duration);
		const max = String(state.duration ?? 0);
		if (seek.max !== max) seek.max = max;
		seek.step = photos ? "1" : "any";
		seek.disabled = !app.can("Seek");
		follow(seek, state.position);
		text($("time"), place(state));
		const share = photos ? (state.position + 0.5) / (state.duration + 1) : state.position / state.duration;
		const here = (state.timeline ?? []).find((run) => run.start <= share && share < run.end);
		const words = `${place(state)}${here ? `, ${here.label}` : ""}`;
		if (seek.getAttribute("aria-valuetext") !== words) seek.setAttribute("aria-valuetext", words);
		options($("speed"), app.hello.choices?.speeds ?? [state.speed], (speed) => `${speed} ×`);
		follow($("speed"), state.speed);
		show($("speed"), !photos && app.can("SetSpeed"));
		show($("loop"), !photos && app.can("Loop"));
		press($("loop"), state.is_looping);
		runs(state.timeline ?? []);
	}

	function runs(timeline) {
		const labels = [...new Set(timeline.map((run) => run.label))];
		fill($("runs"), timeline, (run) => [run.label, run.start, run.end], (run) => {
			const part = make("span", { title: run.label }, run.label);
			part.style.background = `hsl(${210 + TURN * labels.indexOf(run.label)} 58% 38%)`;
			part.style.left = `${run.start * 100}%`;
			part.style.width = `${(run.end - run.start) * 100}%`;
			return part;
		});
	}

	return { render };
}
