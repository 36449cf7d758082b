"use strict";
// Pulumi loads a pack through a type-checking ts-node, which takes seconds. Registered after it, tsx takes over.
require("tsx/cjs/api").register();
require("./index.ts");
