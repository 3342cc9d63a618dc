/** A manifest's text, looked at by the server while it is written. */
import { useEffect, useRef, useState } from "../../core/html.js";
import { post } from "../../core/api.js";
import { ofProject } from "../../core/project.js";

const PAUSE_MS = 250;

/**
 * What the server says of `{text, values, creating}`; null until it has said something.
 * @returns {{said: object|null, isOld: boolean, error: Error|null}} `isOld` while it is about an earlier text
 */
export function useCheck(draft) {
  const [state, setState] = useState({ said: null, of: "", error: null });
  const key = JSON.stringify(draft);
  const first = useRef(true);
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(
      async () => {
        try {
          const said = await post(await ofProject("manifests", "check"), draft, { signal: abort.signal });
          if (!abort.signal.aborted) setState({ said, of: key, error: null });
        } catch (error) {
          if (!abort.signal.aborted) setState((was) => ({ ...was, of: key, error }));
        }
      },
      first.current ? 0 : PAUSE_MS,
    );
    first.current = false;
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key]);
  return { said: state.said, isOld: state.of !== key, error: state.error };
}
