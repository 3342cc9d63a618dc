/** A page that is fetched when it is first shown. */
import { html, useEffect, useState } from "./html.js";
import { Failed, Loading } from "../parts/empty.js";
import { Page } from "../parts/page.js";

/** `lazy(() => import(…).then((module) => module.Page))`; shows bars until it is here, within the frame of a page. */
export const lazy = (load) => later(load, (content) => html`<${Page} title="Loading">${content}<//>`);

/** The same for a part of a page. */
export const lazyPart = (load) => later(load, (content) => content);

function later(load, framed) {
  let known = null;
  return function Later(props) {
    const [page, setPage] = useState(known);
    const [error, setError] = useState(null);
    useEffect(() => {
      if (known) return;
      load().then(
        (found) => {
          known = { found };
          setPage(known);
        },
        // A server that was replaced meanwhile has its scripts under other names.
        () => setError({ title: "This page could not be loaded", detail: "The server may have been updated. Load Studio again." }),
      );
    }, []);
    if (page) return html`<${page.found} ...${props} />`;
    return framed(error ? html`<${Failed} error=${error} retry=${() => location.reload()} />` : html`<${Loading} />`);
  };
}
