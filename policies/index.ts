import { PolicyPack } from "@pulumi/policy";
import { allRules } from "./site-rules";

new PolicyPack("rackwright", {
  displayName: "Rackwright",
  description: "What a GPU cluster in your own room needs to work.",
  policies: allRules(),
});
