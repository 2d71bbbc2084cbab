// Teaching: a button is held while its class is seen; names, fitting, saving.

import { $, click, fill, make, show, text } from "./base.js";

const EVERY_MS = 100; // ten frames a second, as in the window

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

	function row({ number }) {
		const isPress = ({ key }) => key === " " || key === "Enter";
		const end = () => release(number);
		const holding = {
			className: "hold control",
			onpointerdown: (event) => {
				if (event.button !== 0) return;
				button.setPointerCapture(event.pointerId);
				hold(number);
			},
			onlostpointercapture: end,
			onblur: end,
			oncontextmenu: (event) => event.preventDefault(), // of a long touch
			onkeydown: (event) => {
				if (!isPress(event)) return;
				event.preventDefault();
				event.stopPropagation();
				hold(number);
			},
			onkeyup: (event) => void (isPress(event) && end()),
		};
		const button = make("button", holding, make("b", {}, number), make("span"));
		button.number = number;
		const naming = {
			className: "control",
			maxLength: 60,
			spellcheck: false,
			autocomplete: "off",
			ariaLabel: `Name of class ${number}`,
			onchange: () => input.value.trim() && app.act("NameClass", { name: input.value.trim(), number }),
			onkeydown: ({ key }) => void (key === "Enter" && input.blur()), // false would take the key
		};
		const input = make("input", naming);
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
		if (known.length && !wasTaught) $("teach").open = true; // else nobody needs it
		wasTaught = known.length > 0;
		const next = [1, 2, 3, 4, 5, 6, 7, 8, 9].find((number) => !known.some((one) => one.number === number));
		const isNew = app.hello.can_control && next;
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
		const isTaught = known.some((one) => one.frames);
		const hint = alike.length ? `${alike.join(", ")}: all frames alike: move it` : "";
		text($("work"), state.work || hint || (state.latest && !isTaught ? "one moment ..." : ""));
		$("fit").disabled = $("save").disabled = !isTaught;
	}

	return { render };
}
