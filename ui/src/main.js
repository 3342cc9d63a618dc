/** Studio: puts the shell on the page and says which address is which page. */
import "./style/base.css";
import "./style/parts.css";
import "./style/room.css";
import "./style/schema_form.css";
import { html, render } from "./core/html.js";
import { lazy } from "./core/lazy.js";
import * as keys from "./core/keys.js";
import * as live from "./core/live.js";
import * as router from "./core/router.js";
import { Crash } from "./pages/crash.js";
import { Crashes } from "./pages/crashes.js";
import { Overview } from "./pages/overview.js";
import { Rooms } from "./pages/rooms.js";
import { Services } from "./pages/services.js";
import { Session } from "./pages/session.js";
import { Sessions } from "./pages/sessions.js";
import { Settings } from "./pages/settings.js";
import { Shell } from "./shell.js";

const Room = lazy(() => import("./pages/room.js").then((page) => page.Room));

router.start([
  ["/", Overview],
  ["/rooms", Rooms],
  ["/rooms/:room", Room],
  ["/sessions", Sessions],
  ["/sessions/:id", Session],
  ["/sessions/:id/crash", Crash],
  ["/crashes", Crashes],
  ["/crashes/:fingerprint", Crash],
  ["/services", Services],
  ["/settings", Settings],
]);
keys.start();
live.start();
render(html`<${Shell} />`, document.getElementById("app"));
