export { layoutResources } from "./layout-job";
export { ModelStore, type ModelStoreArgs } from "./model-store";
export { planModelStore, type ModelStorePlan, type ServerLayout } from "./plan";
