"use strict";
// Over the page's picture, the QR code for the phone that is to be the camera: while there is none.

const status = document.getElementById("status");
const code = new Image();
code.id = "phone-code";
code.alt = "QR code: open it with the phone that is to be the camera";
code.hidden = true;
Object.assign(code.style, {
  position: "absolute",
  zIndex: 2,
  top: "3%",
  left: 0,
  right: 0,
  margin: "auto",
  height: "39%", // what is said stands below it, in the middle
  aspectRatio: 1,
  borderRadius: "8px",
});
document.getElementById("over").append(code);

function render() {
  const hasNone = /waiting for the phone|the phone has gone/.test(status.textContent);
  code.hidden = !hasNone || document.body.classList.contains("viewer");
  if (!code.hidden && !code.src) code.src = "phone.svg"; // asked for where it may be seen only
}

new MutationObserver(render).observe(status, { childList: true, characterData: true, subtree: true });
render();
