// Pages behind the first view, loaded when somebody opens one.
export { Admin } from "./pages/admin";
export { Compare } from "./pages/compare";
export { EnvironmentPage, Environments } from "./pages/environments";
export { Help } from "./pages/help";
export { History } from "./pages/history";
export { ModelPage } from "./pages/model";
export { NodePage } from "./pages/node";
export { PastNodePage, PastNodes, PastRolloutPage } from "./pages/past";
export { PlanPage } from "./pages/plan";
export { Replay } from "./pages/replay";
export { VersionPage } from "./pages/version";
