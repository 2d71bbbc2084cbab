// Several cameras: one tile each with how it is; a click or its number enlarges one.

import { $, fill, make, percent, press, show, span, text } from "./base.js";

export function cameras(app) {
	const list = $("cameras");

	function health(one) {
		if (one.lost_s != null) {
			const next = one.next_try_s > 0 ? `, next try in ${Math.ceil(one.next_try_s)} s` : ", trying again";
			return `lost ${span(one.lost_s)}${next}`;
		}
		if (one.state) return one.state;
		const comes = one.rate_in_hz == null ? "" : ` of ${Math.round(one.rate_in_hz)}`;
		const lag = one.lag_ms == null ? "" : ` · ${Math.round(one.lag_ms)} ms`;
		return `${Math.round(one.rate_hz ?? 0)}${comes} fps${lag}${one.dropped ? ` · ${one.dropped} not looked at` : ""}`;
	}

	function tile(one, at) {
		const enlarge = { className: "plain", title: `Enlarge it (${at + 1}), and back`, onclick: () => focus(one.id) };
		const remove = { className: "close control", ariaLabel: `Remove ${one.name}`, onclick: () => app.act("RemoveCamera", { camera: one.id }) };
		return make("li", {}, make("button", enlarge, make("b", {}, one.name), make("span"), make("small")), make("button", remove, "×"));
	}

	function focus(id) {
		app.act("Focus", { camera: app.state?.focus === id ? null : id });
	}

	// By the number of a key, from 1; nothing where there is no such camera.
	app.focusAt = (number) => {
		const one = app.state?.cameras?.[number - 1];
		if (one) focus(one.id);
		return Boolean(one);
	};

	$("add-camera").addEventListener("submit", (event) => {
		event.preventDefault();
		const address = $("camera-address").value.trim();
		if (address) app.act("AddCamera", { address });
		$("camera-address").value = "";
	});

	function render(state) {
		const all = state.cameras ?? [];
		show(list, all.length);
		show($("add-camera"), all.length && app.can("AddCamera"));
		fill(list, all, (one) => [one.id, one.name], tile);
		all.forEach((one, at) => {
			const [button, remove] = list.children[at].children;
			const [, seen, line] = button.children;
			list.children[at].classList.toggle("lost", one.lost_s != null);
			text(seen, one.label && one.lost_s == null ? `${one.label} ${percent(one.score ?? 0)}` : "");
			text(line, health(one));
			press(button, state.focus === one.id);
			button.disabled = !app.can("Focus");
			show(remove, app.can("RemoveCamera") && all.length > 1);
		});
	}

	return { render };
}
