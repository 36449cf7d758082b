import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import axe, { type AxeResults } from "axe-core";
import { chromium, type Browser, type Page } from "playwright-core";

export const chromiumPath = "/usr/bin/chromium";

/** How a reader looks at a page. */
export interface Look {
  width: number;
  dark: boolean;
  print: boolean;
}

export const looks: readonly Look[] = [
  { width: 1280, dark: false, print: false },
  { width: 1280, dark: true, print: false },
  { width: 390, dark: false, print: false },
  { width: 390, dark: true, print: false },
  { width: 1280, dark: true, print: true },
];

export const lookName = ({ width, dark, print }: Look): string => `${width} pixels, ${print ? "printed" : dark ? "dark" : "light"}`;

/** What is wrong with a page; empty where nothing is. */
export interface Faults {
  /** Errors and warnings of the console, and exceptions. */
  console: string[];
  /** Everything that was asked for besides the page itself. */
  requests: string[];
  /** What reaches beyond the right edge. */
  overflow: string[];
  /** Violations that axe-core finds, all of its rules. */
  accessibility: string[];
}

export async function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath,
    // Root has no sandbox; the pages are our own.
    args: [...(process.getuid?.() === 0 ? ["--no-sandbox"] : []), "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

const violations = (results: AxeResults): string[] => results.violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 4).map(({ html: node, any }) => `${node.slice(0, 160)} (${any[0]?.message ?? ""})`).join(" | ")}${nodes.length > 4 ? ` and ${nodes.length - 4} more` : ""}`);

/** Runs in the page. Names elements that reach beyond the window, but for those that a box around them clips. */
const overflowing = `(() => {
  const page = document.documentElement;
  const found = page.scrollWidth > innerWidth ? ["the page is " + page.scrollWidth + " pixels wide, the window " + innerWidth] : [];
  for (const element of document.querySelectorAll("main *, header *, nav *, footer *")) {
    const { right, width } = element.getBoundingClientRect();
    if (width > 1 && right > innerWidth + 1 && !element.closest(".chart svg, .rack svg, .unseen")) found.push(element.tagName + " " + element.textContent.slice(0, 60));
  }
  return found.slice(0, 10);
})()`;

/** Opens a page as a file, looks at it in one way and says what is wrong. `see` gets the page as it was looked at. */
export async function faultsOf(browser: Browser, html: string, { width, dark, print }: Look, see: (page: Page) => Promise<void> = () => Promise.resolve()): Promise<Faults> {
  const folder = mkdtempSync(join(tmpdir(), "rackwright-report-"));
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: dark ? "dark" : "light" });
  try {
    const file = join(folder, "report.html");
    writeFileSync(file, html);
    const address = pathToFileURL(file).href;
    const page = await context.newPage();
    const faults: Faults = { console: [], requests: [], overflow: [], accessibility: [] };
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") faults.console.push(message.text());
    });
    page.on("pageerror", (error) => faults.console.push(error.message));
    page.on("request", (request) => {
      if (request.url() !== address) faults.requests.push(request.url());
    });
    if (print) await page.emulateMedia({ media: "print", colorScheme: dark ? "dark" : "light" });
    await page.goto(address, { waitUntil: "load" });
    faults.overflow = await page.evaluate<string[]>(overflowing);
    await page.evaluate(axe.source);
    faults.accessibility = violations(await page.evaluate<AxeResults>("axe.run(document)"));
    await see(page);
    return faults;
  } finally {
    await context.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
