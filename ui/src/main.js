/** Studio: puts the shell on the page and says which address is which page. */
import "./style/base.css";
import "./style/parts.css";
import "./style/room.css";
import "./style/schema_form.css";
import "./style/services.css";
import "./style/settings.css";
import { html, render } from "./core/html.js";
import { lazy } from "./core/lazy.js";
import * as keys from "./core/keys.js";
import * as live from "./core/live.js";
import * as router from "./core/router.js";
import { Crash } from "./pages/crash.js";
import { Crashes } from "./pages/crashes.js";
import { Nodes } from "./pages/nodes.js";
import { Overview } from "./pages/overview.js";
import { Rooms } from "./pages/rooms.js";
import { Session } from "./pages/session.js";
import { Sessions } from "./pages/sessions.js";
import { Shell } from "./shell.js";

const Room = lazy(() => import("./pages/room.js").then((page) => page.Room));
const deployment = (name) => lazy(() => import("./pages/deployment.js").then((pages) => pages[name]));

router.start([
  ["/", Overview],
  ["/rooms", Rooms],
  ["/rooms/:room", Room],
  ["/sessions", Sessions],
  ["/sessions/:id", Session],
  ["/sessions/:id/crash", Crash],
  ["/crashes", Crashes],
  ["/crashes/:fingerprint", Crash],
  ["/services", deployment("Services")],
  ["/services/new", deployment("NewService")],
  ["/services/:id", deployment("Service")],
  ["/settings", deployment("Settings")],
  ["/nodes", Nodes],
]);
keys.start();
live.start();
render(html`<${Shell} />`, document.getElementById("app"));
