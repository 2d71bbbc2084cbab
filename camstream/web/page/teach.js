// Teaching: a button is held while its class is seen; names, fitting, saving.

import { $, click, fill, make, show, text } from "./base.js";

const EVERY_MS = 100; // ten frames a second, as in the window
const MOST = 9;

export function teaching(app) {
	let wasTaught = false;
	const held = new Map(); // number of the class -> timer

	function hold(number) {
		if (held.has(number) || !app.state?.teaching || !app.can("Teach")) return;
		const teach = () => app.act("Teach", { number });
		teach();
		held.set(number, setInterval(teach, EVERY_MS));
		mark();
	}

	function release(number) {
		clearInterval(held.get(number));
		held.delete(number);
		mark();
	}

	function releaseAll() {
		for (const number of [...held.keys()]) release(number);
	}

	function mark() {
		for (const button of document.querySelectorAll("#taught .hold")) button.classList.toggle("held", held.has(button.number));
	}

	addEventListener("blur", releaseAll);
	document.addEventListener("visibilitychange", releaseAll);

	app.hold = hold;
	app.release = release;

	function row({ number, name }) {
		const button = make("button", { className: "hold control" }, make("b", {}, number), make("span"));
		button.number = number;
		button.addEventListener("pointerdown", (event) => {
			if (event.button !== 0) return;
			button.setPointerCapture(event.pointerId);
			hold(number);
		});
		for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) button.addEventListener(end, () => release(number));
		button.addEventListener("contextmenu", (event) => event.preventDefault()); // of a long touch
		button.addEventListener("keydown", (event) => {
			if (event.key !== " " && event.key !== "Enter") return;
			event.preventDefault();
			event.stopPropagation();
			hold(number);
		});
		button.addEventListener("keyup", (event) => (event.key === " " || event.key === "Enter") && release(number));
		const input = make("input", { className: "control", maxLength: 60, spellcheck: false, autocomplete: "off", ariaLabel: `Name of class ${number}` });
		input.addEventListener("change", () => input.value.trim() && app.act("NameClass", { name: input.value.trim(), number }));
		input.addEventListener("keydown", (event) => event.key === "Enter" && input.blur());
		const forget = { className: "close control", title: "Forget its frames (z)", onclick: () => app.act("Forget", { number }) };
		return make("li", {}, button, make("span", { className: "told" }), input, make("button", forget, "×"));
	}

	click("fit", () => app.act("Fit"));
	click("save", () => app.act("Save"));

	function render({ teaching: state }) {
		show($("teach"), state);
		if (!state) {
			releaseAll();
			return;
		}
		const known = state.classes;
		if (known.length && !wasTaught) $("teach").open = true; // the rest of the time nobody needs it
		wasTaught = known.length > 0;
		const next = [1, 2, 3, 4, 5, 6, 7, 8, 9].find((number) => !known.some((one) => one.number === number));
		const isNew = app.hello.can_control && next && known.length < MOST;
		const rows = isNew ? [...known, { number: next, name: "", frames: 0, is_named: false }] : known;
		fill($("taught"), rows, (one) => one.number, row);
		rows.forEach((one, at) => {
			const [button, told, input, forget] = $("taught").children[at].children;
			const name = one.is_named ? one.name : "";
			text(button.lastChild, one.frames ? String(one.frames) : "hold");
			button.ariaLabel = `Hold to teach class ${one.number}${name && `, ${name}`}: ${one.frames} frames`;
			text(told, `${one.name || `class ${one.number}`}: ${one.frames}`);
			if (document.activeElement !== input && input.value !== name) input.value = name;
			input.placeholder = `class ${one.number}`;
			forget.ariaLabel = `Forget the frames of ${one.name}`;
			forget.disabled = !one.frames;
		});
		const alike = known.filter((one) => one.is_alike).map((one) => one.name);
		text($("work"), state.work || (alike.length ? `${alike.join(", ")}: all frames alike: move it` : ""));
		const isTaught = known.some((one) => one.frames);
		$("fit").disabled = $("save").disabled = !isTaught;
	}

	return { render };
}
