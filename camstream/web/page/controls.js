// What is shown and how: classes by name, contrast, grid, heat, smoothing, recording, model, input.

import { $, click, fill, follow, make, options, press, seldom, show, text, touch } from "./base.js";
import { combobox } from "./combobox.js";

const TOP_KS = [1, 2, 3, 5, 8]; // with the plain picture these fill a grid

const PARTS = [
	["heatmap", "Heat", "h", (state) => state.style.show_heatmap],
	["label", "Label", "l", (state) => state.style.show_label],
	["boxes", "Boxes", "b", (state) => state.style.show_boxes],
	["legend", "Legend", "e", (state) => state.style.show_legend],
	["trail", "Trail", "t", (state) => state.selection.trail_s > 0],
	["contrast", "Contrast", "v", (state) => Boolean(state.selection.contrast)],
];

export function controls(app) {
	const chosen = () => app.state?.selection.classes ?? [];
	const name = (one) => one.name ?? one.label ?? String(one);
	const showClasses = (names) => app.act("ShowClasses", { names });

	function isChosen(one) {
		return chosen().some((other) => name(other) === name(one));
	}

	function pin(one) {
		if (!isChosen(one)) showClasses([...chosen().map(name), name(one)]);
	}

	function drop(one) {
		showClasses(chosen().filter((other) => name(other) !== name(one)).map(name));
	}

	app.pin = pin;

	// Classes by name
	const finds = [
		combobox(app, $("find"), $("found"), (one) => {
			pin(one);
			$("find").value = "";
		}),
		combobox(app, $("first"), $("first-found"), against),
		combobox(app, $("second"), $("second-found"), against),
	];

	function against() {
		const [first, second] = [$("first").value.trim(), $("second").value.trim()];
		if (Boolean(first) === Boolean(second)) app.act("SetContrast", { first, second });
	}

	for (const id of ["first", "second"]) {
		$(id).addEventListener("change", () => $(id).value.trim() || against()); // emptied
	}

	// Parts
	const buttons = PARTS.map(([what, words, key, isOn]) => {
		const button = make("button", { title: `${words} (${key})`, onclick: () => app.act("Toggle", { what }) }, words);
		return { button, isOn };
	});
	const refine = make("button", { title: "Finer maps, slower", onclick: () => app.act("Refine") }, "Finer");
	$("parts").append(...buttons.map(({ button }) => button), refine);
	const grid = TOP_KS.map((count) =>
		make("button", { ariaLabel: `The best ${count}`, title: "(k)", onclick: () => app.act("SetTopK", { count }) }, count),
	);
	$("grid").append(...grid);

	// Values
	const fade = seldom(100, (value) => app.act("SetOpacity", { opacity: Number(value) }));
	touch($("opacity"), "input", fade);
	touch($("colormap"), "change", (value) => app.act("SetColormap", { name: value }));
	touch($("smoothing"), "change", (level) => app.act("SetSmoothing", { level }));
	touch($("input-size"), "change", (value) => app.act("SetInputSize", { side: value ? Number(value) : null }));
	touch($("model"), "change", (value) => app.act("SetModel", { name: value }));
	touch($("input"), "change", (address) => app.act("OpenSource", { address }));

	// The picture as a whole
	click("pause", () => app.act("Pause"));
	click("record", () => app.act("Record"));
	click("snapshot", () => app.act("Snapshot"));

	function sizes({ input_size: size }, { input_sizes: known = [] }) {
		return [null, ...new Set([...known, ...(size ? [size] : [])])];
	}

	function select(id, values, value, words) {
		const input = $(id);
		show(input.closest("label"), values?.length > 1);
		if (!(values?.length > 1)) return;
		options(input, values, words);
		follow(input, value);
	}

	function render(state) {
		const { style, selection } = state;
		const choices = app.hello.choices ?? {};
		fill($("chosen"), chosen(), (one) => [name(one), app.hello.can_control], (one) => {
			if (!app.can("ShowClasses")) return make("li", {}, make("span", {}, one.label));
			const button = { ariaLabel: `Show ${one.label} no more`, ariaPressed: "true", onclick: () => drop(one) };
			return make("li", {}, make("button", button, `${one.label} ×`));
		});
		for (const { button, isOn } of buttons) press(button, isOn(state));
		show(refine, app.can("Refine") && state.models?.length);
		press(refine, selection.refine);
		grid.forEach((button, at) => press(button, TOP_KS[at] === selection.top_k));
		const against = selection.contrast?.sides;
		show(document.querySelector(".against"), selection.contrast && app.can("SetContrast"));
		["first", "second"].forEach((id, at) => {
			if (document.activeElement !== $(id)) follow($(id), against ? name(against[at]) : "");
		});
		follow($("opacity"), style.heatmap_opacity);
		select("colormap", choices.colormaps, style.colormap);
		select("smoothing", choices.smoothings, selection.smoothing);
		const sides = app.can("SetInputSize") && state.models?.length ? sizes(selection, choices) : [];
		select("input-size", sides, selection.input_size ?? "", (size) => size || "the model's own");
		select("model", app.can("SetModel") ? state.models : [], state.chosen_model ?? "");
		select("input", app.can("OpenSource") ? state.sources : [], state.sources?.find((one) => `/${one}`.endsWith(`/${state.source}`)) ?? "");
		press($("pause"), state.is_paused);
		$("pause").querySelector("use").setAttribute("href", state.is_paused ? "#i-play" : "#i-pause");
		text($("pause").lastChild, state.is_paused ? "Go on" : "Pause");
		press($("record"), state.recording);
		text($("record").lastChild, state.recording ? "End recording" : "Record");
		show($("settings"), !app.hello.can_control);
		text($("settings"), told(state));
	}

	// For a viewer who may look and no more.
	function told({ style, selection }) {
		const on = PARTS.filter((part) => part[3]({ style, selection })).map(([, words]) => words.toLowerCase());
		return `Shown: ${on.join(", ") || "the picture alone"}; smoothing ${selection.smoothing}; you look, somebody else decides.`;
	}

	function hear(message) {
		for (const find of finds) find.hear(message);
	}

	return { render, hear, isChosen, choose: (one) => (isChosen(one) ? drop(one) : pin(one)) };
}
