/** Something a component fetches: loading, then data or an error, and again on demand. */
import { useCallback, useEffect, useRef, useState } from "./html.js";

/**
 * Fetch with `load({signal})` whenever one of `deps` changes; what was shown stays until the new data is there.
 *
 * With `every_s` it is fetched again at that pace while the page is visible.
 * @returns {{data: any, error: Error|null, loading: boolean, reload: () => void}}
 */
export function useResource(load, deps, { every_s = 0 } = {}) {
  const [state, setState] = useState({ data: null, error: null, loading: true, key: "" });
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  const key = JSON.stringify(deps);
  useEffect(() => {
    const abort = new AbortController();
    setState((was) => ({ data: was.key === key ? was.data : null, error: was.key === key ? was.error : null, loading: true, key }));
    latest
      .current({ signal: abort.signal })
      .then((data) => !abort.signal.aborted && setState({ data, error: null, loading: false, key }))
      .catch((error) => {
        if (!abort.signal.aborted) setState((was) => ({ data: was.data, error, loading: false, key }));
      });
    return () => abort.abort();
  }, [key, turn]);
  useEffect(() => {
    if (!every_s) return undefined;
    const timer = setInterval(() => document.hidden || setTurn((n) => n + 1), every_s * 1000);
    return () => clearInterval(timer);
  }, [every_s]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  return { data: state.data, error: state.error, loading: state.loading, reload };
}
