import { PolicyPack } from "@pulumi/policy";
import { rules } from "./all";

new PolicyPack("rackwright", {
  displayName: "Rackwright",
  description: "What a GPU cluster in your own room needs to work.",
  policies: [...rules],
});
