"use strict";
const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
socket.binaryType = "arraybuffer";
const canvas = document.getElementById("picture");
socket.onmessage = async ({ data }) => {
  if (typeof data === "string") return;
  const number = new DataView(data).getUint32(0);
  const image = await createImageBitmap(new Blob([new Uint8Array(data, 12)], { type: "image/jpeg" }));
  requestAnimationFrame(() => {
    if (canvas.width !== image.width || canvas.height !== image.height) {
      canvas.width = image.width;
      canvas.height = image.height;
    }
    canvas.getContext("2d").drawImage(image, 0, 0);
    image.close();
    socket.send(JSON.stringify({ type: "ack", picture: number }));
  });
};
