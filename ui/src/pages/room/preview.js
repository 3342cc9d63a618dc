/** A file of the room, looked at before it is downloaded: text, images, PDFs; anything else is only described. */

import { bytes } from "../../core/format.js";
import { html, useEffect, useState } from "../../core/html.js";
import { Dialog } from "../../parts/dialog.js";
import { Failed, Loading } from "../../parts/empty.js";
import { toastError } from "../../parts/toast.js";
import { download } from "../../room/storage.js";
import { pretty } from "./result.js";

const MAX_SHOWN_BYTES = 8 * 1024 * 1024;
const MAX_TEXT_CHARS = 200_000;
const IMAGES = { png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp", avif: "image/avif" };

const PDF = "application/pdf";
const isPdf = (data) => String.fromCharCode(...data.subarray(0, 5)) === "%PDF-";

/** Whether a file is shown as an image, by its name. */
export const isImage = (path) => typeOf(path) !== undefined;

const typeOf = (path) => IMAGES[path.split(".").at(-1).toLowerCase()];

/** An address for an image of the room, to be revoked; throws where there is no such file. */
export async function imageAddress(client, path) {
  const { data } = await client.request("storage.download", { path });
  return data.length > MAX_SHOWN_BYTES ? "" : URL.createObjectURL(new Blob([data], { type: typeOf(path) }));
}

/** `size` in bytes, where it is known already. */
export function Preview({ view, path, size = null, onClose }) {
  const [shown, setShown] = useState(null);
  const name = path.split("/").at(-1);
  useEffect(() => {
    let address = "";
    let stale = false;
    look(view.client, path, size).then(
      (found) => {
        if (stale) return;
        address = found.address ?? "";
        setShown(found);
      },
      (error) => stale || setShown({ error }),
    );
    return () => {
      stale = true;
      if (address) URL.revokeObjectURL(address);
    };
  }, [path]);
  return html`<${Dialog} wide title=${name} onClose=${onClose}
    footer=${html`<span class="muted">${size === null ? "" : bytes(size)}</span><span class="spread"></span><button type="button" class="button primary" onClick=${() => download(view.client, path).catch(toastError)}>Download</button>`}>
    ${
      shown === null
        ? html`<${Loading} label="Fetching the file" />`
        : shown.error
          ? html`<${Failed} error=${{ title: "The file could not be read", detail: shown.error.message }} />`
          : shown.address
            ? shown.isPdf
              ? html`<iframe class="preview preview-pdf" src=${shown.address} title=${name} />`
              : html`<img class="preview" src=${shown.address} alt=${name} />`
            : shown.text !== undefined
              ? html`<pre class="code wrap preview-text" dir="auto" tabindex="0">${shown.text}</pre>`
              : html`<p class="muted">${shown.why}</p>`
    }
  <//>`;
}

async function look(client, path, size) {
  if (size > MAX_SHOWN_BYTES) return { why: "It is too large to be shown here." };
  const { data } = await client.request("storage.download", { path });
  const type = typeOf(path);
  if (type) return { address: URL.createObjectURL(new Blob([data], { type })) };
  if (isPdf(data)) {
    // The browser's own viewer, in a process of its own; what a PDF has in scripts reaches nothing of this page.
    if (!navigator.pdfViewerEnabled) return { why: "This browser shows no PDF within a page." };
    return { address: URL.createObjectURL(new Blob([data], { type: PDF })), isPdf: true };
  }
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch {
    return { why: "It is neither text nor an image." };
  }
  if (/[\u0000-\u0008\u000e-\u001a]/.test(text)) return { why: "It is neither text nor an image." };
  text = path.endsWith(".json") ? pretty(text) : text;
  return { text: text.length > MAX_TEXT_CHARS ? `${text.slice(0, MAX_TEXT_CHARS)}\n… ${text.length - MAX_TEXT_CHARS} more characters` : text };
}
