export { KubernetesProvider } from "./provider";
