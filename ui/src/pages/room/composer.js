/** Where a message is written: Enter sends, Shift+Enter breaks the line, Esc stops the answer; files are attached. */

import { cx, html, useEffect, useLayoutEffect, useRef, useState } from "../../core/html.js";
import { bytes } from "../../core/format.js";
import { useKeys } from "../../core/keys.js";
import { Icon } from "../../parts/icon.js";
import { toast, toastError } from "../../parts/toast.js";
import { draftOf, keepDraft } from "../../room/drafts.js";
import { uploadBeside } from "../../room/storage.js";

const MAX_CHARS = 32_000;
const MAX_FILES = 20;
const MAX_HEIGHT_PX = 220;
const FOLDER = "attachments";

export function Composer({ view, chat, isBusy }) {
  const [text, setText] = useState(() => draftOf(view.name, chat.path));
  const [files, setFiles] = useState([]);
  const [isOver, setOver] = useState(false);
  const [isWaiting, setWaiting] = useState(false);
  const area = useRef(null);
  const picker = useRef(null);
  const isOpen = view.state.value === "open" && chat.isReady.value;
  useKeys({ i: () => area.current.focus() }, [["i", "Write a message"], ["Enter", "Send the message"], ["Esc", "Stop the answer"]]);

  useEffect(() => {
    if (matchMedia("(min-width: 900px)").matches) area.current.focus({ preventScroll: true });
    return () => files.forEach((one) => one.abort.abort());
  }, []);
  useEffect(() => keepDraft(view.name, chat.path, text), [text]);
  useLayoutEffect(() => {
    const { style } = area.current;
    style.height = "auto";
    style.height = `${Math.min(MAX_HEIGHT_PX, area.current.scrollHeight + 2)}px`;
  }, [text]);

  const done = files.filter((one) => one.path);
  const uploading = files.some((one) => !one.path && !one.error);
  const tooLong = text.length > MAX_CHARS;
  const isReady = !uploading && !tooLong && (text.trim() !== "" || done.length > 0);
  const canSend = isOpen && isReady;

  const send = () => {
    setWaiting(!canSend && (isReady || uploading));
    if (!canSend) return;
    const paths = done.map((one) => one.path);
    const said = text.trim() || `(${paths.length === 1 ? "a file" : `${paths.length} files`})`;
    setText("");
    setFiles([]);
    chat.say(said, paths).catch(toastError);
    area.current.focus();
  };
  // Sent while the room was not there, or a file not yet: it goes out when both are.
  useEffect(() => {
    if (isWaiting && canSend) send();
  }, [isWaiting, canSend]);
  const stop = () => chat.cancel();
  const keys = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
      event.preventDefault();
      send();
    } else if (event.key === "Escape" && isBusy) {
      event.preventDefault();
      event.stopPropagation();
      stop();
    }
  };
  useEffect(() => {
    if (!isBusy) return undefined;
    const escape = (event) => {
      if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]")) stop();
    };
    addEventListener("keydown", escape);
    return () => removeEventListener("keydown", escape);
  }, [isBusy, chat]);

  const change = (id, changes) => setFiles((old) => old.map((one) => (one.id === id ? { ...one, ...changes } : one)));
  const attach = (list) => {
    const fresh = [...list].slice(0, MAX_FILES - files.length);
    if (fresh.length < list.length) toast({ text: `A message may have ${MAX_FILES} files.`, tone: "warn" });
    for (const file of fresh) {
      const one = { id: crypto.randomUUID(), name: file.name, size: file.size, share: 0, path: "", error: "", abort: new AbortController() };
      setFiles((old) => [...old, one]);
      const onProgress = (share) => change(one.id, { share });
      uploadBeside(view.client, `${FOLDER}/${file.name || "file"}`, file, { signal: one.abort.signal, onProgress }).then(
        (path) => change(one.id, { path, share: 1 }),
        (error) => one.abort.signal.aborted || change(one.id, { error: error.message }),
      );
    }
  };
  const drop = (id) => {
    files.find((one) => one.id === id)?.abort.abort();
    setFiles((old) => old.filter((one) => one.id !== id));
  };
  const dropped = (event) => {
    setOver(false);
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    attach(event.dataTransfer.files);
  };
  const pasted = (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    attach(event.clipboardData.files);
  };
  return html`<div class=${cx("composer", isOver && "over")} onDrop=${dropped}
    onDragOver=${(event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      setOver(true);
    }} onDragLeave=${() => setOver(false)}>
    ${files.length > 0 && html`<ul class="chips" aria-label="Files to send">
      ${files.map(
        (one) => html`<li key=${one.id} class=${cx("chip", one.error && "tone-bad")} title=${one.error || one.path || one.name}>
          <${Icon} name=${one.error ? "crashes" : "file"} size=${14} /><span class="cut" dir="auto">${one.name}</span>
          <span class="muted">${one.error ? "failed" : one.path ? bytes(one.size) : view.state.value === "open" ? `${Math.round(one.share * 100)} %` : "waits"}</span>
          ${!one.path && !one.error && html`<progress value=${one.share} max="1" aria-label=${`Uploading ${one.name}`}></progress>`}
          <button type="button" class="chip-remove" aria-label=${`Remove ${one.name}`} onClick=${() => drop(one.id)}><${Icon} name="close" size=${12} /></button>
        </li>`,
      )}
    </ul>`}
    <div class="composer-row">
      <button type="button" class="button icon-only quiet" title="Attach files" aria-label="Attach files" onClick=${() => picker.current.click()}><${Icon} name="attach" /></button>
      <input type="file" multiple hidden ref=${picker} onChange=${(event) => {
        attach(event.currentTarget.files);
        event.currentTarget.value = "";
      }} />
      <textarea ref=${area} rows="1" value=${text} dir="auto" placeholder=${isOpen ? `Message ${chat.agent}` : "Waiting for the room…"} aria-label=${`Message ${chat.agent}`} aria-invalid=${tooLong}
        onInput=${(event) => {
          setText(event.currentTarget.value);
          setWaiting(false);
          if (event.currentTarget.value) chat.tellTyping();
        }}
        onKeyDown=${keys} onPaste=${pasted}></textarea>
      ${
        isBusy && !text.trim()
          ? html`<button type="button" class="button" onClick=${stop} title="Stop the answer (Esc)"><${Icon} name="stop" />Stop</button>`
          : html`<button type="button" class="button primary" onClick=${send} disabled=${!canSend} title="Send (Enter)"><${Icon} name="send" />Send</button>`
      }
    </div>
    ${isWaiting && !canSend && html`<p class="hint" role="status">It is sent as soon as ${isOpen ? "the files are there" : "you are in the room"}.</p>`}
    ${tooLong && html`<p class="field-error" role="alert">A message has at most ${MAX_CHARS.toLocaleString("en-US")} characters; this one has ${text.length.toLocaleString("en-US")}. Attach it as a file.</p>`}
  </div>`;
}
