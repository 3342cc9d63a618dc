/** The room's files: look, upload, download, move, delete; the folder stands in the address. */

import { bytes } from "../../core/format.js";
import { cx, html, useEffect, useMemo, useRef, useState } from "../../core/html.js";
import { setQuery } from "../../core/router.js";
import { confirm } from "../../parts/dialog.js";
import { Empty, Failed, Loading } from "../../parts/empty.js";
import { Field, FormDialog } from "../../parts/form_dialog.js";
import { Icon } from "../../parts/icon.js";
import { Table } from "../../parts/table.js";
import { Ago } from "../../parts/time.js";
import { toast, toastError } from "../../parts/toast.js";
import { Preview } from "./preview.js";
import { download, list, move, remove, uploadBeside } from "../../room/storage.js";

export function FilesTab({ view, asked }) {
  const folder = clean(asked.get("folder") ?? "");
  const [files, setFiles] = useState(null);
  const [error, setError] = useState(null);
  const [hidden, setHidden] = useState(false);
  const [uploads, setUploads] = useState([]);
  const [isOver, setOver] = useState(false);
  const [looked, setLooked] = useState(null);
  const [named, setNamed] = useState(null);
  const picker = useRef(null);
  const isOpen = view.state.value === "open";
  const changed = view.filesChanged.value;

  useEffect(() => {
    if (!isOpen) return undefined;
    let stale = false;
    list(view.client, folder).then(
      (found) => {
        if (stale) return;
        setFiles(found);
        setError(null);
      },
      (failed) => stale || setError(failed),
    );
    return () => (stale = true);
  }, [isOpen, folder, changed]);

  const path = (name) => (folder ? `${folder}/${name}` : name);
  const go = (to) => to !== folder && (setFiles(null), setQuery({ folder: to || null }, { push: true }));
  const send = async (chosen) => {
    for (const file of [...chosen]) {
      const id = crypto.randomUUID();
      const progress = (share) => setUploads((old) => [...old.filter((one) => one.id !== id), { id, name: file.name, share }]);
      progress(0);
      try {
        await uploadBeside(view.client, path(file.name), file, { onProgress: progress });
      } catch (failed) {
        toast({ text: `${file.name} was not uploaded: ${failed.message}`, tone: "bad" });
      }
      setUploads((old) => old.filter((one) => one.id !== id));
    }
  };
  const drop = async (file) => {
    const what = file.is_folder ? "folder" : "file";
    const agreed = await confirm({
      title: `Delete ${file.name}?`,
      text: file.is_folder ? `The folder ${path(file.name)} and everything in it is deleted for everybody in the room.` : `The file ${path(file.name)} is deleted for everybody in the room.`,
      action: `Delete the ${what}`,
      tone: "bad",
    });
    if (agreed) await remove(view.client, path(file.name), { recursive: file.is_folder }).catch(toastError);
  };
  const columns = useMemo(
    () => [
      {
        id: "name",
        label: "Name",
        sort: (file) => `${file.is_folder ? "0" : "1"}${file.name}`,
        cell: (file) => html`<button type="button" class="link file-name" onClick=${() => (file.is_folder ? go(path(file.name)) : setLooked({ path: path(file.name), size: file.size }))} title=${file.is_folder ? "Open the folder" : "Look at it"}>
          <${Icon} name=${file.is_folder ? "stack" : "file"} size=${14} /><span class="cut" dir="auto">${file.name}${file.is_folder ? "/" : ""}</span></button>`,
      },
      { id: "size", label: "Size", align: "right", class: "file-size", sort: (file) => file.size, cell: (file) => (file.is_folder ? "" : bytes(file.size)) },
      { id: "updated", label: "Changed", hide: "narrow", first: "desc", sort: (file) => Date.parse(file.updated_at), cell: (file) => html`<${Ago} at=${file.updated_at} />` },
      { id: "delete", label: html`<span class="sr-only">Actions</span>`, align: "right", class: "file-actions", cell: (file) => html`${!file.is_folder && html`<button type="button" class="button small icon-only quiet" title="Download" onClick=${() => download(view.client, path(file.name)).catch(toastError)} aria-label=${`Download ${file.name}`}><${Icon} name="download" size=${14} /></button>`}
          <button type="button" class="button small icon-only quiet" title="Move or rename" onClick=${() => setNamed({ from: path(file.name) })} aria-label=${`Move ${file.name}`}><${Icon} name="edit" size=${14} /></button>
          <button type="button" class="button small icon-only quiet danger" onClick=${() => drop(file)} aria-label=${`Delete ${file.name}`} title="Delete"><${Icon} name="bin" size=${14} /></button>` },
    ],
    [folder],
  );
  const shown = files?.filter((file) => hidden || folder || !file.name.startsWith("."));
  const skipped = files ? files.length - shown.length : 0;
  const crumbs = folder.split("/").filter(Boolean);
  return html`<div class=${cx("files", isOver && "over")}
    onDragOver=${(event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      setOver(true);
    }} onDragLeave=${() => setOver(false)}
    onDrop=${(event) => {
      event.preventDefault();
      setOver(false);
      send(event.dataTransfer.files);
    }}>
    <div class="toolbar">
      <nav class="crumbs" aria-label="Folder">
        <button type="button" class="link" onClick=${() => go("")} disabled=${!folder}>Files</button>
        ${crumbs.map((name, index) => html`<span key=${index}> / <button type="button" class="link" disabled=${index === crumbs.length - 1} onClick=${() => go(crumbs.slice(0, index + 1).join("/"))}>${name}</button></span>`)}
      </nav>
      <span class="spread"></span>
      ${!folder && (skipped > 0 || hidden) && html`<label class="check"><input type="checkbox" checked=${hidden} onChange=${(event) => setHidden(event.currentTarget.checked)} />Hidden files</label>`}
      <button type="button" class="button" disabled=${!isOpen} onClick=${() => setNamed({ folder })}>New folder…</button>
      <button type="button" class="button" disabled=${!isOpen} onClick=${() => picker.current.click()}><${Icon} name="plus" size=${14} />Upload</button>
      <input type="file" multiple hidden ref=${picker} onChange=${(event) => {
        send(event.currentTarget.files);
        event.currentTarget.value = "";
      }} />
    </div>
    ${uploads.map((one) => html`<p key=${one.id} class="uploading"><${Icon} name="file" size=${14} /><span class="cut">${one.name}</span><progress value=${one.share} max="1"></progress>${Math.round(one.share * 100)} %</p>`)}
    ${error && html`<${Failed} error=${{ title: "The files could not be listed", detail: error.message }} />`}
    ${!error && files === null && html`<${Loading} label="Listing the files" />`}
    ${
      shown &&
      !error &&
      (shown.length
        ? html`<${Table} columns=${columns} rows=${shown} rowKey=${(file) => file.name} label="Files" grow=${shown.length < 100} />`
        : html`<${Empty} icon="file" title=${folder ? "This folder is empty" : "No files yet"}><p>Drop files here, or attach them to a message; agents read them at their path.</p>${skipped > 0 && html`<p class="muted">${skipped} hidden: threads and schemas.</p>`}<//>`)
    }
    ${named && html`<${Named} view=${view} ...${named} onFolder=${go} onClose=${() => setNamed(null)} />`}
    ${looked && html`<${Preview} view=${view} ...${looked} onClose=${() => setLooked(null)} />`}
  </div>`;
}

/** Asks where a file or a folder is moved to, or what a new folder is called, which is there with its first file. */
function Named({ view, from, folder, onFolder, onClose }) {
  const [to, setTo] = useState(from ?? "");
  const target = clean(to);
  const send = async () => {
    if (from) await move(view.client, from, target);
    else onFolder(folder ? `${folder}/${target}` : target);
    onClose();
  };
  return html`<${FormDialog} title=${from ? `Move ${from}` : "New folder"} action=${from ? "Move" : "Open it"} onSend=${send} onClose=${onClose} disabled=${!target || target === from}>
    <${Field} name="path" label=${from ? "New path" : "Name"} hint=${from ? "Folders on the way are made. What agents know it by is its path." : "A folder is there as soon as a file is put into it."}>
      <input id="path" class="input mono" dir="auto" value=${to} maxlength="500" aria-describedby="path-hint" onInput=${(event) => setTo(event.currentTarget.value)} />
    <//>
  <//>`;
}

/** A path without what leads nowhere. */
const clean = (path) => path.split("/").filter((part) => part && part !== "." && part !== "..").join("/");
