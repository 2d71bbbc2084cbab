// A field that finds classes by name while somebody types: the combobox of the ARIA patterns.

import { make, seldom, show } from "./base.js";

export function combobox(app, input, list, pick) {
	let names = [];
	let active = -1;
	Object.assign(input, { autocomplete: "off", spellcheck: false, maxLength: 100 });
	const roles = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id };
	for (const [name, value] of Object.entries(roles)) input.setAttribute(name, value);
	list.setAttribute("role", "listbox");
	list.hidden = true;
	const ask = seldom(80, () => input.value.trim() && app.ask(input.value.trim()));

	function open(isOpen) {
		show(list, isOpen && names.length);
		input.ariaExpanded = String(!list.hidden);
		mark(isOpen ? 0 : -1);
	}

	function mark(at) {
		active = names.length && at >= 0 ? at % names.length : -1;
		[...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === active)));
		if (active >= 0) input.setAttribute("aria-activedescendant", list.children[active].id);
		else input.removeAttribute("aria-activedescendant");
	}

	function take(one) {
		input.value = one.name ?? one.label;
		names = [];
		open(false);
		pick(one);
	}

	function hear({ query, names: found }) {
		if (document.activeElement !== input || query !== input.value.trim()) return;
		names = found;
		list.replaceChildren(
			...names.map((one, at) => {
				const item = make("li", { id: `${list.id}-${at}`, role: "option", onclick: () => take(one) }, one.label);
				item.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays
				return item;
			}),
		);
		open(true);
	}

	input.addEventListener("input", () => {
		input.touched = performance.now();
		if (input.value.trim()) ask();
		else {
			names = [];
			open(false);
		}
	});
	input.addEventListener("blur", () => open(false));
	input.addEventListener("keydown", (event) => {
		if (event.key === "ArrowDown" && names.length) mark(list.hidden ? (open(true), 0) : active + 1);
		else if (event.key === "ArrowUp" && names.length) mark(active - 1 + (active < 1 ? names.length : 0));
		else if (event.key === "Enter" && names.length && !list.hidden) take(names[Math.max(0, active)]);
		else if (event.key === "Enter" && input.value.trim()) take({ label: input.value.trim() });
		else if (event.key === "Escape") {
			if (list.hidden) input.blur();
			open(false);
		} else return;
		event.preventDefault();
	});

	return { hear };
}
