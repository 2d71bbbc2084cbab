// The picture: painting, the click that asks what has evidence there, and its answer.

import { $, bar, click, fill, make, setBar, show, text } from "./base.js";

const GAP_PX = 4; // between the views of the picture, see camstream/drawing/tiles.py
const STEP = 0.02; // of the cross, a key

export function picture(app) {
	const [stage, over, canvas, answer] = ["stage", "over", "canvas", "answer"].map($);
	const context = canvas.getContext("2d", { alpha: false });
	let isPainted = false;
	let cross = null;
	let isAsked = false; // by keys: the answer gets the focus

	function paint(bitmap) {
		if (canvas.width !== bitmap.width || canvas.height !== bitmap.height || !isPainted) {
			canvas.width = bitmap.width;
			canvas.height = bitmap.height;
			stage.style.setProperty("--shape", bitmap.width / bitmap.height);
			if (app.state) place(app.state);
		}
		context.drawImage(bitmap, 0, 0);
		isPainted = true;
	}

	// Where the views are that stand side by side, pixels of the canvas.
	function grid(state) {
		const { count, columns, rows } = state.tiles ?? { count: 1, columns: 1, rows: 1 };
		return { count, columns, wide: (canvas.width + GAP_PX) / columns, high: (canvas.height + GAP_PX) / rows };
	}

	function ask(x, y) {
		if (!app.state || !isPainted || !app.can("AskAt")) return;
		app.act("AskAt", { x, y }); // of the whole picture: camstream finds the view
	}

	function place(state) {
		const found = state.answer;
		if (!found) return;
		const { columns, count, wide, high } = grid(state);
		const spots = Array.from({ length: count }, (_, tile) => [
			(((tile % columns) * wide + found.x * (wide - GAP_PX)) / canvas.width) * 100,
			((Math.floor(tile / columns) * high + found.y * (high - GAP_PX)) / canvas.height) * 100,
		]);
		fill($("marks"), spots, (spot) => spot, ([x, y]) => {
			const mark = make("i");
			mark.style.left = `${x}%`;
			mark.style.top = `${y}%`;
			return mark;
		});
		const [[x, y]] = spots;
		answer.classList.toggle("left", x > 50);
		answer.classList.toggle("up", y > 50);
		answer.style.setProperty("--x", `${x}%`);
		answer.style.setProperty("--y", `${y}%`);
	}

	function render(state) {
		const found = state.answer;
		canvas.classList.toggle("can-ask", app.can("AskAt"));
		show(answer, found);
		show($("marks"), found);
		if (!found) return;
		place(state);
		text($("answer-title"), found.classes.length ? "Evidence here" : "No evidence here");
		const most = Math.max(...found.classes.map((one) => one.value), 1e-9);
		fill($("evidence"), found.classes, (one) => [one.name, one.label, one.value.toFixed(1)], (one) => {
			const button = bar(() => {
				app.pin(one);
				app.act("CloseAnswer");
			});
			button.disabled = !app.can("ShowClasses");
			setBar(button, one.label, one.value.toFixed(0), one.value / most);
			return make("li", {}, button);
		});
		if (isAsked) {
			isAsked = false;
			(answer.querySelector("button:enabled") ?? $("answer-close")).focus();
		}
	}

	canvas.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays
	canvas.addEventListener("click", (event) => {
		if (app.state?.answer) {
			app.act("CloseAnswer");
			return;
		}
		const box = canvas.getBoundingClientRect();
		ask((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
	});
	click("answer-close", () => {
		app.act("CloseAnswer");
		stage.focus();
	});

	function move([across, down]) {
		cross ??= [0.4, 0.4]; // no gap between views is there
		cross = [cross[0] + across * STEP, cross[1] + down * STEP].map((at) => Math.min(1, Math.max(0, at)));
		show($("cross"), true);
		$("cross").style.left = `${cross[0] * 100}%`;
		$("cross").style.top = `${cross[1] * 100}%`;
	}

	const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
	stage.addEventListener("keydown", (event) => {
		if (event.target !== stage || event.ctrlKey || event.metaKey || event.altKey) return;
		if (event.key in ways) move(ways[event.key].map((by) => by * (event.shiftKey ? 5 : 1)));
		else if (event.key === "Enter") {
			move([0, 0]);
			isAsked = true;
			ask(Math.min(0.9999, cross[0]), Math.min(0.9999, cross[1]));
		} else return;
		event.preventDefault();
		event.stopPropagation(); // an arrow moves the cross here, and no file
	});
	stage.addEventListener("blur", () => show($("cross"), false));

	show($("full"), document.fullscreenEnabled);
	click("full", () => (document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen()));

	return { paint, render, hasPicture: () => isPainted };
}
