/** The pages of what is kept for deployment, which come together when one of them is first shown. */
export { Service } from "./service.js";
export { Services } from "./services.js";
export { NewService } from "./services/new.js";
export { Settings } from "./settings.js";
