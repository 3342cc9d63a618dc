/** htm bound to Preact, and what a component needs, from one place. */
import { h, Fragment } from "preact";
import htm from "htm";

// `this[0] = 3` keeps htm from sharing one vnode of static markup between all instances of a component.
export const html = htm.bind(function (...args) {
  this[0] = 3;
  return h(...args);
});
export { Fragment, h };
export { render, createRef } from "preact";
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export { batch, computed, effect, signal, untracked, useComputed, useSignal, useSignalEffect } from "@preact/signals";

/** Class names from strings and falsy values. */
export const cx = (...names) => names.filter(Boolean).join(" ");
