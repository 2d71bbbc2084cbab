// The keys of the live window, where a browser leaves them to us.

import { $, click, fill, make, show } from "./base.js";

const ACTIONS = {
	" ": ["Pause"],
	k: ["SetTopK"],
	m: ["SetSmoothing"],
	"+": ["ChangeOpacity", { step: 0.1 }],
	"=": ["ChangeOpacity", { step: 0.1 }],
	"-": ["ChangeOpacity", { step: -0.1 }],
	c: ["SetColormap"],
	s: ["Snapshot"],
	r: ["Record"],
};
const PARTS = { w: "classes", v: "contrast", t: "trail", h: "heatmap", l: "label", b: "boxes", e: "legend" };
const PLAYING = {
	ArrowLeft: ["Skip", { by_s: -5 }],
	ArrowRight: ["Skip", { by_s: 5 }],
	",": ["Step", { frames: -1 }],
	".": ["Step", { frames: 1 }],
	"[": ["ChangeSpeed", { steps: -1 }],
	"]": ["ChangeSpeed", { steps: 1 }],
	o: ["Loop"],
	Home: ["Seek", { to: 0 }],
};
const TEACHING = { f: ["Fit"], x: ["Save"], z: ["Forget"] };

// Beside those of the window, which camstream sends.
const HELP = [
	{ keys: "click", words: "what has evidence there? By keys: Tab to the picture, arrows, Enter", needs: "" },
	{ keys: "1 to 9", words: "enlarge a camera; Escape: all", needs: "cameras" },
];
const LOOKING = ["d", "?"]; // for those who may only look

export function keys(app) {
	const help = $("help");

	function toggleHelp() {
		if (help.open) help.close();
		else {
			const state = app.state ?? {};
			const holds = { clip: state.player?.counts === "seconds", photos: state.player?.counts === "photos", cameras: state.cameras?.length > 0 && !state.teaching, teaching: state.teaching };
			const rows = [...HELP, ...(app.hello.help ?? [])].filter(({ keys, needs }) => (app.hello.can_control ? !needs || holds[needs] : LOOKING.includes(keys)));
			fill($("keys"), rows, (row) => row.keys + row.words, ({ keys, words }) => make("div", {}, make("dt", {}, keys), make("dd", {}, words)));
			help.showModal();
		}
	}

	click("help-open", toggleHelp);
	help.addEventListener("click", (event) => event.target === help && help.close()); // beside it

	function name() {
		const { latest } = app.state.teaching;
		const row = [...$("taught").children].find((one) => one.firstChild.number === latest);
		if (row) row.querySelector("input").select();
		else app.act("NameClass", { name: "" }); // camstream knows what to say
	}

	function escape(state) {
		if (state.answer) app.act("CloseAnswer");
		else if (state.focus != null) app.act("Focus", { camera: null });
		else return false;
		return true;
	}

	function did(event, state) {
		const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
		if (key === "?") toggleHelp();
		else if (help.open) return false;
		else if (key === "d") $("rates").click();
		else if (!state || !app.hello.can_control) return false;
		else if (key === "/") $("find").focus();
		else if (key === "Escape") return escape(state);
		else if (/^[1-9]$/.test(key)) return state.teaching ? (app.hold(Number(key)), true) : app.focusAt(Number(key));
		else if (key === "n" && state.teaching) name();
		else if (key === "End" && state.player?.duration) app.act("Seek", { to: state.player.duration });
		else {
			const part = PARTS[key] && ["Toggle", { what: PARTS[key] }];
			const action = ACTIONS[key] || part || (state.teaching && TEACHING[key]) || (state.player && PLAYING[key]);
			if (!action) return false;
			if (!event.repeat || /^Arrow|[,.+=-]/.test(key)) app.act(...action);
		}
		return true;
	}

	document.addEventListener("keydown", (event) => {
		const target = event.target;
		if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
		if (target.matches("select, input:not([type=range]), textarea")) return; // they type
		const isRange = target.matches("input[type=range]");
		if (isRange && target.id !== "seek" && /^(Arrow|Home|End|Page)/.test(event.key)) return;
		if (event.key === " " && target.matches("button, a, summary")) return; // it presses that button
		if (event.key === " " && event.repeat) return;
		if (did(event, app.state)) event.preventDefault();
	});
	document.addEventListener("keyup", (event) => /^[1-9]$/.test(event.key) && app.release(Number(event.key)));

	return { greet: () => show($("tools"), true) };
}
