import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

/** The client of the release that is served carries the definition of model configurations; protobuf is the newest that it takes. */
const packages = ["tritonclient==2.71.0", "protobuf==6.33.5"];

const folder = join(__dirname, "../../.rackwright/cache/python", packages.join("-").replaceAll("==", "-"));

/** Parses every configuration on standard input by Triton's own definition, and says what is wrong with each. */
const program = `
import importlib.util, json, sys
sys.path.insert(0, sys.argv[1])
spec = importlib.util.spec_from_file_location("model_config_pb2", sys.argv[1] + "/tritonclient/grpc/model_config_pb2.py")
definition = importlib.util.module_from_spec(spec)
spec.loader.exec_module(definition)
from google.protobuf import json_format, text_format
answers = []
for text in json.load(sys.stdin):
    try:
        answers.append({"config": json_format.MessageToDict(text_format.Parse(text, definition.ModelConfig()), preserving_proto_field_name=True)})
    except text_format.ParseError as fault:
        answers.append({"fault": str(fault)})
json.dump(answers, sys.stdout)
`;

export type Parsed = { config: Record<string, unknown>; fault?: undefined } | { fault: string };

function hasPip(): boolean {
  return spawnSync("python3", ["-m", "pip", "--version"], { stdio: "ignore" }).status === 0;
}

/** Installs what the parser is made of into the project's cache, once. Returns why it cannot, where it cannot. */
export function ensureTritonParser(): string | undefined {
  if (existsSync(folder)) return undefined;
  if (spawnSync("python3", ["--version"], { stdio: "ignore" }).status !== 0) return "python3 is not installed";
  if (!hasPip() && process.getuid?.() === 0 && spawnSync("apt-get", ["--version"], { stdio: "ignore" }).status === 0) {
    spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "python3-pip"], { stdio: "ignore", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
  }
  if (!hasPip()) return "python3 has no pip: sudo apt-get install --no-install-recommends python3-pip";
  mkdirSync(dirname(folder), { recursive: true });
  const partial = mkdtempSync(`${folder}-`);
  const { status, stderr } = spawnSync("python3", ["-m", "pip", "install", "--quiet", "--no-deps", "--target", partial, ...packages], { encoding: "utf8" });
  if (status !== 0) {
    rmSync(partial, { recursive: true, force: true });
    return `pip cannot install ${packages.join(" and ")}: ${stderr.trim().split("\n").at(-1) ?? ""}`;
  }
  try {
    renameSync(partial, folder);
  } catch (fault) {
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(folder)) throw fault;
  }
  return undefined;
}

/** Each text as the message that Triton reads it as, or what its parser says. */
export function parseTritonConfigs(texts: readonly string[]): Parsed[] {
  return JSON.parse(execFileSync("python3", ["-c", program, folder], { input: JSON.stringify(texts), encoding: "utf8", maxBuffer: 64 * 1024 * 1024 })) as Parsed[];
}
