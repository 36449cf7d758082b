/** Long forms of tests, which `.ci/run` asks for; `npm test` runs their short ones. */
export const full = process.env["RACKWRIGHT_FULL"] === "1" || process.env["RACKWRIGHT_RECORD"] === "1";
