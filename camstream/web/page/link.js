// The line to camstream: one WebSocket that comes back by itself, JSON both ways, pictures one way.
//
// There is at most one picture that was not acknowledged; it is acknowledged when it was drawn, so
// a slow page skips pictures and never falls behind.

const QUIET_MS = 3000; // no word for so long: is anybody there?
const SILENT_MS = 7000; // and for so long: the line is dead, whatever the browser thinks of it
const BACK_OFF_MS = [0, 250, 500, 1000, 2000, 4000];
const HEADER_BYTES = 12; // number of the picture: 4; milliseconds since 1970 of its capture: 8

export class Link {
	// hear(message): a JSON message; draw(bitmap, capturedMs): a picture;
	// change(link): whether it is connected, and since when not.
	constructor({ hear, draw, change }) {
		this.hear = hear;
		this.draw = draw;
		this.change = change;
		this.isOpen = false;
		this.why = ""; // why camstream sent this page away, if it said so
		this.lostAt = performance.now();
		this.tries = 0;
		this.socket = null;
		this.timer = 0;
		this.heardAt = 0;
		setInterval(() => this.watch(), 1000);
		// A page that nobody sees needs no pictures.
		document.addEventListener("visibilitychange", () => (document.hidden ? this.rest() : this.soon(0)));
		addEventListener("online", () => this.soon(0));
		this.soon(0);
	}

	send(message) {
		if (!this.isOpen) return false;
		this.socket.send(JSON.stringify(message));
		return true;
	}

	soon(ms) {
		clearTimeout(this.timer);
		if (!this.socket && !document.hidden) this.timer = setTimeout(() => this.connect(), ms);
	}

	rest() {
		clearTimeout(this.timer);
		if (this.socket) this.drop(this.socket);
	}

	watch() {
		const quiet = performance.now() - this.heardAt;
		if (this.socket && quiet > SILENT_MS) {
			this.drop(this.socket);
			this.soon(0);
		} else if (quiet > QUIET_MS) this.send({ type: "classes", query: "" });
		this.change(this);
	}

	connect() {
		const address = new URL("live", location.href);
		address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
		address.search = address.hash = "";
		const socket = new WebSocket(address);
		socket.binaryType = "arraybuffer";
		this.socket = socket;
		this.heardAt = performance.now();
		socket.onmessage = (event) => this.take(socket, event.data);
		socket.onclose = ({ code, reason }) => {
			if (this.socket !== socket) return;
			if (code === 1006) this.ask();
			else this.why = reason;
			this.drop(socket);
			const longest = BACK_OFF_MS[Math.min(this.tries, BACK_OFF_MS.length - 1)];
			this.tries += 1;
			this.soon(longest * (0.7 + 0.3 * Math.random()));
		};
	}

	drop(socket) {
		this.socket = null;
		socket.onmessage = socket.onclose = null;
		socket.close();
		if (this.isOpen) this.lostAt = performance.now();
		this.isOpen = false;
		this.change(this);
	}

	// A browser does not say why a handshake was refused; an ordinary request does.
	async ask() {
		try {
			const answer = await fetch("state.json", { cache: "no-store" });
			this.why = answer.ok ? "" : (await answer.text()).trim();
		} catch {
			// Nobody answers; what was said last holds.
		}
		this.change(this);
	}

	take(socket, data) {
		if (socket !== this.socket) return;
		this.heardAt = performance.now();
		if (typeof data !== "string") {
			this.show(socket, data);
			return;
		}
		const message = JSON.parse(data);
		if (message.type === "hello") {
			this.isOpen = true;
			this.why = "";
			this.tries = 0;
			this.change(this);
		}
		this.hear(message);
	}

	async show(socket, data) {
		const header = new DataView(data);
		const picture = header.getUint32(0);
		const capturedMs = header.getFloat64(4);
		let bitmap = null;
		try {
			bitmap = await createImageBitmap(new Blob([new Uint8Array(data, HEADER_BYTES)], { type: "image/jpeg" }));
		} catch {
			// A damaged picture is left out; the next one comes.
		}
		// At once: the browser shows it with its next frame, and an animation frame would be that one.
		if (bitmap && socket === this.socket) this.draw(bitmap, capturedMs);
		bitmap?.close();
		if (socket === this.socket) this.send({ type: "ack", picture });
	}
}
