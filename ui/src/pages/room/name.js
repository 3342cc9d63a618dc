/** The reader's name in rooms, and a dialog to change it. */

import { html, useState } from "../../core/html.js";
import { Dialog } from "../../parts/dialog.js";
import { Icon } from "../../parts/icon.js";
import { MAX_NAME_CHARS, personName, rename } from "../../room/person.js";

export function PersonName() {
  const [open, setOpen] = useState(false);
  if (personName.value === null) return null;
  return html`<button type="button" class="button quiet person" title="Your name in rooms" onClick=${() => setOpen(true)}>
      <${Icon} name="person" /><span class="cut" dir="auto">${personName.value}</span>
    </button>
    ${open && html`<${Rename} onClose=${() => setOpen(false)} />`}`;
}

function Rename({ onClose }) {
  const [name, setName] = useState(personName.value ?? "");
  const save = (event) => {
    event.preventDefault();
    if (!name.trim()) return;
    rename(name);
    onClose();
  };
  return html`<${Dialog} title="Your name in rooms" onClose=${onClose}>
    <form onSubmit=${save} class="field">
      <label for="person-name">Name</label>
      <input id="person-name" class="input" value=${name} maxlength=${MAX_NAME_CHARS} autofocus autocomplete="off" dir="auto" onInput=${(event) => setName(event.currentTarget.value)} />
      <p class="hint">Others see it, and agents call you by it. Your chats are kept under it; they stay when you change it. It is remembered in this browser.</p>
      <div class="buttons dialog-end">
        <button type="button" class="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class="button primary" disabled=${!name.trim()}>Save</button>
      </div>
    </form>
  <//>`;
}
