/** A service that is written: a manifest, or a template with its values, for every room or for one. */
import { html, useEffect, useState } from "../../core/html.js";
import { rooms } from "../../core/live.js";
import { badRoomName } from "../../room/room_name.js";
import { Field } from "../../parts/form_dialog.js";
import { Card } from "../../parts/page.js";
import { useCheck } from "./check.js";
import { Editor } from "./editor.js";
import { TemplateForm } from "./template_form.js";

/**
 * `start` is `{text, values, room}`; `onSend(sent, room)` sends a manifest or `{template, values}` and may throw.
 * With `fixedRoom` it stays where it is; `notice` stands above the buttons, `children` beside the one that sends.
 */
export function Write({ start, action, onSend, notice = null, fixedRoom = false, children }) {
  const [text, setText] = useState(start.text);
  const [values, setValues] = useState(start.values ?? {});
  const [touched, setTouched] = useState(new Set());
  const [isTried, setTried] = useState(false);
  const [room, setRoom] = useState(start.room ?? "");
  const [isEvery, setEvery] = useState(!start.room);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const [isTemplate, setTemplate] = useState(/^kind:\s*["']?ServiceTemplate/m.test(start.text));
  const known = filled(values);
  const check = useCheck({ text, creating: !fixedRoom, values: isTemplate ? known : null });
  useEffect(() => {
    if (check.said?.variables.length) setTemplate(true);
    else if (check.said?.kind === "Service") setTemplate(false);
  }, [check.said]);
  useEffect(() => {
    if (text === start.text) return undefined;
    const ask = (event) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [text]);

  const send = async (event) => {
    event.preventDefault();
    setTried(true);
    setError(null);
    if (check.isOld || !check.said) return;
    if (!check.said.valid) return document.querySelector('.write [aria-invalid="true"]')?.focus();
    const why = isEvery || fixedRoom ? "" : badRoomName(room.trim());
    if (why) return setError({ title: why });
    setBusy(true);
    try {
      await onSend(isTemplate ? { template: text, values: known } : check.said.manifest, isEvery ? "" : room.trim());
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  const variables = check.said?.variables ?? [];
  return html`<form class="write" onSubmit=${send} novalidate autocomplete="off">
    ${!fixedRoom &&
    html`<${Card} title="Where it runs">
      <div class="where" role="radiogroup" aria-label="Where it runs">
        <label class="check"><input type="radio" name="where" checked=${isEvery} onChange=${() => setEvery(true)} /> In every room, from its next opening</label>
        <label class="check"><input type="radio" name="where" checked=${!isEvery} onChange=${() => setEvery(false)} /> In one room, at once where it is open</label>
        ${!isEvery &&
        html`<${Field} name="service-room" label="Room"><input id="service-room" class="input" list="rooms-known" spellcheck=${false} value=${room} onInput=${(event) => setRoom(event.currentTarget.value)} />
          <datalist id="rooms-known">${(rooms.value ?? []).map((one) => html`<option key=${one.name} value=${one.name} />`)}</datalist><//>`}
      </div>
    <//>`}
    <${Card} title="Manifest"><${Editor} text=${text} onInput=${setText} check=${check} /><//>
    ${isTemplate && html`<${Card} title="Values"><${TemplateForm} variables=${variables} values=${values} onChange=${setValues} problems=${check.said?.problems ?? []} touched=${touched} onTouch=${(name) => setTouched(new Set([...touched, name]))} isTried=${isTried} /><//>`}
    ${error && html`<p class="form-error" role="alert">${error.title ?? error.message}${error.detail ? `: ${error.detail}` : ""}</p>`}
    ${notice}
    <div class="buttons"><button type="submit" class="button primary" disabled=${busy || check.isOld}>${busy ? "Saving…" : action}</button>${children}</div>
  </form>`;
}

/** Values without those that are empty. */
function filled(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
}
