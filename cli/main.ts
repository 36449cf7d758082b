import { createRequire } from "node:module";
import { Command, CommanderError } from "commander";
import { CliError, exitCodes } from "./exit";
import type { ExitCode } from "./exit";
import { processTerminal } from "./terminal";
import type { Terminal } from "./terminal";

type Action = (terminal: Terminal, ...parameters: never[]) => Promise<ExitCode>;

const exitCodeHelp = `
Exit codes:
  0  everything is as wanted
  1  a finding: drift, a violated rule, a failed step
  2  bad input; nothing was done
  3  a server, a package source or a needed program could not be reached
`;

/** Commands are loaded when they run, so that --help and a typo answer at once. */
const load = createRequire(__filename);

function program(terminal: Terminal, setExit: (code: ExitCode) => void): Command {
  const run =
    (find: () => Action) =>
    async (...parameters: unknown[]): Promise<void> => {
      setExit(await find()(terminal, ...(parameters.slice(0, -1) as never[])));
    };

  const main = new Command("rackwright")
    .description("Infrastructure as code for on-prem GPU clusters. One file under stacks/ describes an environment.")
    .addHelpText("after", exitCodeHelp)
    .showHelpAfterError("Run with --help for what is allowed.")
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err });

  main
    .command("plan")
    .description("show what every environment would become: resources, arrays, versions, checks. Needs no root, no network, no pulumi")
    .argument("[environment]", "one environment only")
    .option("--json", "one JSON document on stdout")
    .addHelpText("after", "\nExamples:\n  rackwright plan\n  rackwright plan dev-test\n  rackwright plan dev-test --json | jq '.environments[0].changes'\n")
    .action(run(() => (load("./commands/plan") as typeof import("./commands/plan")).plan));

  main
    .command("size")
    .description("say how many GPUs a model takes, and what of their memory is left. Needs no environment")
    .argument("[model]", "catalog id such as llama-3.1-70b; with --config, any name")
    .requiredOption("--gpus <gpus>", "GPUs of one server: 4xA100-80GB, 8xh100-80gb-sxm5")
    .option("--servers <number>", "servers alike that a replica may span. Default: 1")
    .option("--nvlink <kind>", "none, bridge or nvswitch. Default: what the GPU has")
    .option("--precision <precision>", "fp32, bf16, fp16, fp8, int8 or int4. Default: as published")
    .option("--kv-precision <precision>", "auto or fp8. Default: auto")
    .option("--context <tokens>", "longest prompt and answer together. Default: 8192, or what the model takes")
    .option("--concurrency <number>", "requests answered at the same time. Default: 8")
    .option("--memory-utilization <share>", "as the engine's own flag means it. Default: the engine's")
    .option("--tensor-parallel <number>", "Default: what the planner finds")
    .option("--pipeline-parallel <number>", "Default: what the planner finds")
    .option("--engine <engine>", "Default: vllm for text, triton for the rest")
    .option("--config <file>", "config.json of a model that is not in the catalog")
    .option("--json", "one JSON document on stdout")
    .addHelpText("after", "\nExamples:\n  rackwright size llama-3.1-70b --gpus 4xA100-80GB\n  rackwright size deepseek-v3 --gpus 8xH100-SXM5 --servers 2 --context 32768\n  rackwright size own-model --config ./config.json --gpus 2xL40S --json\n")
    .action(run(() => (load("./commands/size") as typeof import("./commands/size")).size));

  main
    .command("cost")
    .description("say what an environment costs to own over five years, and from which utilisation on that is less than renting")
    .argument("<environment>")
    .option("--years <number>", "from 1 to 15. Default: 5")
    .option("--utilization <percent>", "share of all hours in which the GPUs work, 1 to 100. Default: 50")
    .option("--currency-per-usd <rate>", "the site's currency for one US dollar. Default: site.currencyPerUsd")
    .option("--people <usd>", "people a year in US dollars, 8000 or 8000-15000. Default: 20000-50000 for each eight servers begun")
    .option("--cloud-price <usd>", "one GPU for an hour elsewhere in US dollars, 1.20 or 1.20-1.90, beside the three tiers")
    .option("--colocation", "a rented room in place of the site's own power and cooling")
    .option("--plot <file>", "write the curve as an SVG image")
    .option("--json", "one JSON document on stdout")
    .addHelpText("after", "\nExamples:\n  rackwright cost sme-production\n  rackwright cost sme-production --utilization 30 --people 8000-15000\n  rackwright cost large-cluster --plot cost.svg\n  rackwright cost edge --json | jq .own.total\n")
    .action(run(() => (load("./commands/cost") as typeof import("./commands/cost")).cost));

  main
    .command("report")
    .description("write one page about an environment: racks, GPU memory, storage, network, recovery, alerts, rules and cost, each figure with its source")
    .argument("<environment>")
    .requiredOption("--out <file>", "the HTML page; - writes it to the standard output")
    .option("--json", "one JSON document on stdout: what the page shows")
    .addHelpText("after", "\nExamples:\n  rackwright report sme-production --out report.html\n  rackwright report edge --out - > edge.html\n  rackwright report edge --out edge.html --json | jq .report.keyFigures\n")
    .action(run(() => (load("./commands/report") as typeof import("./commands/report")).report));

  main
    .command("up")
    .description("make an environment so: check the hosts, show the plan, ask, then do it")
    .argument("<environment>")
    .option("--yes", "do not ask; needed where there is no terminal")
    .option("--engine <engine>", "pulumi or embedded. Default: where the environment's state is, else pulumi where it is on the PATH, else embedded")
    .option("--refresh", "look first which objects of the cluster are gone or were changed by hand, and make them so again")
    .option("--json", "one JSON document on stdout")
    .addHelpText("after", "\nExamples:\n  rackwright up dev-test\n  rackwright up dev-test --yes --json\n  rackwright up dev-test --refresh\n")
    .action(run(() => (load("./commands/up") as typeof import("./commands/up")).up));

  main
    .command("drift")
    .description("show what differs on the hosts now. Changes nothing")
    .argument("<environment>")
    .option("--json", "one JSON document on stdout")
    .addHelpText("after", "\nExample:\n  rackwright drift sme-production\n")
    .action(run(() => (load("./commands/drift") as typeof import("./commands/drift")).drift));

  main
    .command("pr")
    .description("say in one Markdown comment what a pull request changes: what it destroys or interrupts, sizes, cost, rules. Needs no credentials, no state, no pulumi")
    .requiredOption("--base <ref>", "commit, branch or tag that the change goes into")
    .requiredOption("--head <ref>", "commit, branch or tag of the change")
    .option("--events <file>", "event log of `pulumi preview` of one stack, to show what it does to what stands there; more than once for more stacks", (file: string, files: string[] | undefined) => [...(files ?? []), file])
    .option("--sarif <file>", "write the rules' verdicts as SARIF 2.1.0, for code scanning")
    .option("--json", "one JSON document on stdout, the comment in it")
    .addHelpText("after", "\nExits with 1 where a mandatory rule is broken or an environment cannot be made as written. What is destroyed or interrupted is said, and stops nothing.\n\nExamples:\n  rackwright pr --base origin/main --head HEAD\n  rackwright pr --base main --head HEAD --sarif rackwright.sarif > comment.md\n")
    .action(run(() => (load("./commands/pr") as typeof import("./commands/pr")).pr));

  main
    .command("rehearse")
    .description("bring an environment up on emulated servers and a real control plane, break things, and give a verdict")
    .argument("<environment>")
    .option("--hosts", "only the host side: drives, arrays, packages, drivers. Minutes")
    .option("--cluster", "only the cluster side: objects, admission, placement. Under a minute")
    .option("--alerts", "only the monitoring: break things, and see whether the alerts arrive. Three to four minutes; as root")
    .option("--cold-start", "only the cold start: save a set, destroy a server, make a blank one into it by the set alone. About twenty minutes")
    .option("--hot-tier-lost", "only a lost hot tier: pull a drive of its RAID 0 while a client sends requests, let the standby answer, make the tier again. About ten minutes; as root")
    .option("--pace <n>", "with --alerts: divide every duration of the rules by it; 1 is real time (default: 60)")
    .option("--fault <name>", "only one fault of what stands by: break it while a client sends requests, and measure what the client sees. As root")
    .option("--faults <names>", "the same: --faults all breaks everything, one after the other")
    .option("--runs <n>", "with --fault: repeat each so often; every run counts (default: 1)")
    .option("--kubeconfig <file>", "let this cluster judge the objects, by dry runs: nothing is created there")
    .option("--json", "one JSON document on stdout")
    .addHelpText("after", "\nExamples:\n  rackwright rehearse dev-test\n  rackwright rehearse dev-test --cluster\n  sudo rackwright rehearse sme-production --alerts\n  sudo rackwright rehearse sme-production --fault node-crash\n  sudo rackwright rehearse sme-production --hot-tier-lost\n  sudo rackwright rehearse sme-production --faults all --runs 20 --json\n")
    .action(run(() => (load("./commands/rehearse") as typeof import("./commands/rehearse")).rehearse));

  main
    .command("fence")
    .description("power a server that has stopped answering off by its BMC, and let the cluster move what ran there: pods are deleted, volumes detached")
    .argument("<environment>")
    .argument("<server>")
    .option("--release", "after the repair: power it on where it is off, and take the taint away once its node is Ready")
    .option("--dry-run", "look, say what would be done and which pods end, and do nothing")
    .option("--yes", "do not ask; needed where there is no terminal")
    .option("--force-running", "power it off although it works, answers over SSH, or may work for all that is known")
    .option("--kubeconfig <file>", "way into the cluster. Default: the secret kubeconfig, or k3s's own, read from another control-plane server")
    .option("--json", "one JSON document on stdout")
    .addHelpText("after", "\nExamples:\n  rackwright fence sme-production gpu-01 --dry-run\n  rackwright fence sme-production gpu-01\n  rackwright fence sme-production gpu-01 --yes --json | jq .outcome\n  rackwright fence sme-production gpu-01 --release\n")
    .action(run(() => (load("./commands/fence") as typeof import("./commands/fence")).fence));

  const recovery = main.command("recovery").description("checkpoints, backups, standby and cold start of an environment");
  recovery
    .command("status")
    .description("for each level of recovery: its last success and rehearsal, what would be lost now and how long it takes to be back, against their targets. Changes nothing")
    .argument("<environment>")
    .option("--json", "one JSON document on stdout")
    .addHelpText("after", "\nIt ends with 1 where a target is missed or nobody knows.\n\nExamples:\n  rackwright recovery status sme-production\n  rackwright recovery status sme-production --json | jq '.levels[] | select(.verdict == \"missed\")'\n")
    .action(run(() => (load("./commands/recovery") as typeof import("./commands/recovery")).recoveryStatusCommand));

  main
    .command("cold-start")
    .description("save what blank servers are made into the environment from, without a network; verify such a set; rebuild from it")
    .argument("<environment>")
    .option("--save <place>", "save a set into this folder of the cold tier, which must exist, or onto a tier of a server, as <server>:cold")
    .option("--verify <place>", "compare a set with its signed inventory. Changes nothing")
    .option("--from <place>", "make blank servers again from this set, or from the newest one at this place")
    .option("--server <name...>", "with --from: servers to make again. Default: those that show another host key than the environment's")
    .option("--host-key <name=key...>", "with --from: a blank server's own public host key, read on its console")
    .option("--without <kind...>", "with --from: go on although the set lacks this: project, state, package, host-key, k3s, image, manifest or data")
    .option("--yes", "do not ask; needed where there is no terminal")
    .option("--json", "one JSON document on stdout")
    .addHelpText("after", "\nExamples:\n  rackwright cold-start dev-test --save /srv/cold/rackwright\n  rackwright cold-start sme-production --save store-01:cold\n  rackwright cold-start dev-test --verify /srv/cold/rackwright\n  rackwright cold-start dev-test --from /srv/cold/rackwright --host-key 'gpu-01=ssh-ed25519 AAAA…'\n")
    .action(run(() => (load("./commands/cold-start") as typeof import("./commands/cold-start")).coldStart));

  main
    .command("destroy")
    .description("take an environment down: what is in its cluster is deleted, hosts are left as they are. No drive is wiped, no package is removed")
    .argument("<environment>")
    .option("--yes", "do not ask; needed where there is no terminal")
    .option("--json", "one JSON document on stdout")
    .addHelpText("after", "\nExample:\n  rackwright destroy dev-test\n")
    .action(run(() => (load("./commands/destroy") as typeof import("./commands/destroy")).destroy));

  main
    .command("export")
    .description("print the embedded engine's state as `pulumi stack import` takes it. Secrets stay encrypted")
    .argument("<environment>")
    .option("--json", "accepted; the state is JSON already")
    .addHelpText("after", "\nExample:\n  rackwright export dev-test | pulumi stack import -s dev-test\n")
    .action(run(() => (load("./commands/export") as typeof import("./commands/export")).exportState));

  main
    .command("secret")
    .description("encrypt a value from stdin into an environment's file, as `pulumi config set --secret` does")
    .argument("<environment>")
    .argument("<name>", "sshPrivateKey, kubeconfig, inferenceApiKey, grafanaAdminPassword, smtpPassword, alertChatUrl, backupPassword, bmcPassword, objectStoreAccessKeyId or objectStoreSecretAccessKey")
    .option("--json", "one JSON document on stdout")
    .addHelpText("after", "\nExample:\n  rackwright secret dev-test sshPrivateKey < ~/.ssh/id_ed25519\n")
    .action(run(() => (load("./commands/secret") as typeof import("./commands/secret")).secret));

  for (const command of [main, ...main.commands, ...recovery.commands]) command.exitOverride();
  return main;
}

async function main(): Promise<ExitCode> {
  const terminal = processTerminal();
  let exit: ExitCode = exitCodes.well;
  try {
    await program(terminal, (code) => (exit = code)).parseAsync(process.argv);
    return exit;
  } catch (error) {
    terminal.progress.done();
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.well : exitCodes.badInput;
    if (error instanceof CliError) {
      terminal.err(`${error.message.trimEnd()}\n`);
      return error.code;
    }
    throw error;
  }
}

// A command that neither ends nor goes on must not look as if it had ended well.
process.exitCode = exitCodes.finding;
void main().then((code) => {
  process.exitCode = code;
});
