// Small helpers: find and make elements, change only what differs, write times and scores.

export const $ = (id) => document.getElementById(id);

// Do something when a button is pressed.
export const click = (id, act) => ($(id).onclick = act);

// Text of models and sources goes through textContent only.
export function make(tag, values = {}, ...children) {
	const element = document.createElement(tag);
	if (tag === "button") element.type = tag;
	for (const [name, value] of Object.entries(values)) {
		if (name in element && name !== "role") element[name] = value;
		else element.setAttribute(name, value);
	}
	element.append(...children);
	return element;
}

// Writing what is there already costs layout, and disturbs screen readers.
export function text(element, words) {
	if (element.textContent !== words) element.textContent = words;
}

export function show(element, on) {
	if (element.hidden === Boolean(on)) element.hidden = !on;
}

export function press(button, on) {
	const value = String(Boolean(on));
	if (button.getAttribute("aria-pressed") !== value) button.setAttribute("aria-pressed", value);
}

// Make a list's items anew only when what they stand for has changed, so that focus stays.
export function fill(list, items, key, build) {
	const wanted = JSON.stringify(items.map(key));
	if (list.dataset.for === wanted) return false;
	const at = [...list.children].findIndex((child) => child.contains(document.activeElement));
	list.dataset.for = wanted;
	list.replaceChildren(...items.map(build));
	if (at >= 0) {
		const next = list.children[Math.min(at, list.children.length - 1)];
		(next?.matches("button, input") ? next : next?.querySelector("button, input"))?.focus();
	}
	return true;
}

export function options(select, values, words = (value) => value) {
	fill(select, values, (value) => [value, words(value)], (value) => make("option", { value: value ?? "" }, String(words(value))));
}

// What somebody is changing just now is not set back by an older state.
export function follow(input, value) {
	if (input.value !== String(value) && !(performance.now() - (input.touched ?? -1e9) < 800)) input.value = value;
}

export function touch(input, event, act) {
	input.addEventListener(event, () => {
		input.touched = performance.now();
		act(input.value);
	});
}

// A class with its value and a bar.
export function bar(onclick) {
	return make("button", { className: "plain row", title: "Show the map of this class", onclick }, make("span"), make("span"), make("i", {}, make("b")));
}

export function setBar(row, label, value, share) {
	text(row.children[0], label);
	text(row.children[1], value);
	row.querySelector("b").style.width = `${Math.max(0, share * 100).toFixed(1)}%`;
}

export const percent = (score) => `${Math.round(score * 100)} %`;

export function clock(seconds) {
	const whole = Math.max(0, Math.floor(seconds));
	const two = (number) => String(number).padStart(2, "0");
	const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
	return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

// As the window says it: "12 s", "3 min", "2 h".
export function span(seconds) {
	if (seconds < 100) return `${Math.floor(seconds)} s`;
	return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

// Run the newest of many calls, at most one in so many milliseconds.
export function seldom(ms, act) {
	let timer = 0;
	let latest = [];
	let last = -Infinity;
	const run = () => {
		timer = 0;
		last = performance.now();
		act(...latest);
	};
	return (...values) => {
		latest = values;
		if (!timer) timer = setTimeout(run, Math.max(0, ms - (performance.now() - last)));
	};
}
