/** A thread that goes on otherwise: a new one with what was said before a message, which is there to be changed. */

import { keepDraft } from "./drafts.js";
import { newThread, Thread } from "./thread.js";

/**
 * What was said before `entry` in a thread of its own, and its text as a draft there; nothing is changed here.
 * @returns {Promise<string>} the path of the new thread
 */
export async function forkBefore(view, chat, entry) {
  const entries = chat.entries.value;
  const path = newThread(chat.agent, view.person, new Date(), [chat.path]);
  const thread = new Thread(view.client, path);
  try {
    await thread.ready();
    thread.take(entries.slice(0, entries.indexOf(entry)));
    await thread.flush();
  } finally {
    await thread.close();
  }
  keepDraft(view.name, path, entry.text);
  return path;
}
