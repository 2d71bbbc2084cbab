// Several cameras: one tile each with how it is; a click or its number enlarges one.

import { $, fill, make, options, percent, press, show, text } from "./base.js";

export function cameras(app) {
	const list = $("cameras");

	function tile(one, at) {
		const enlarge = { className: "plain", title: `Enlarge it (${at + 1}), and back`, onclick: () => focus(one.id) };
		const remove = { className: "close control", ariaLabel: `Remove ${one.name}`, onclick: () => app.act("RemoveCamera", { camera: one.id }) };
		return make("li", {}, make("button", enlarge, make("b", {}, one.name), make("span"), make("small")), make("button", remove, "×"));
	}

	function focus(id) {
		app.act("Focus", { camera: app.state?.focus === id ? null : id });
	}

	// By the number of a key, from 1.
	app.focusAt = (number) => {
		const one = app.state?.cameras?.[number - 1];
		if (one) focus(one.id);
		return Boolean(one);
	};

	$("add").onchange = () => app.act("AddCamera", { address: $("add").value });

	function render(state) {
		const all = state.cameras ?? [];
		show(list, all.length);
		// A page opens only what was named at the start.
		const rest = (state.sources ?? []).filter((one) => !all.some(({ source }) => source === one));
		show($("add"), all.length && rest.length && app.can("AddCamera"));
		options($("add"), ["", ...rest], (one) => one || "Add a camera");
		fill(list, all, (one) => [one.id, one.name], tile);
		all.forEach((one, at) => {
			const [button, remove] = list.children[at].children;
			const [, seen, line] = button.children;
			const isAway = ["opening", "lost", "failed"].includes(one.state);
			list.children[at].classList.toggle("lost", isAway);
			text(seen, one.label && !isAway ? `${one.label} ${percent(one.score ?? 0)}` : "");
			text(line, one.health);
			press(button, state.focus === one.id);
			button.disabled = !app.can("Focus");
			show(remove, app.can("RemoveCamera") && all.length > 1);
		});
	}

	return { render };
}
