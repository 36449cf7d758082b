import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NeededProgram } from "../packages";
import { run } from "../process";

export const screenshotProgram: NeededProgram = { program: "chromium", package: "chromium" };

export interface ScreenshotOptions {
  /** Pixels. @default 1440 */
  width?: number;
  /** Pixels. @default 1400 */
  height?: number;
  /** As a reader with a dark screen sees it. @default false */
  dark?: boolean;
}

/** Draws a page that needs nothing else into a PNG file, in a browser without a screen. */
export async function screenshot(html: string, png: string, { width = 1440, height = 1400, dark = false }: ScreenshotOptions = {}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "rackwright-page-"));
  try {
    const page = join(folder, "page.html");
    writeFileSync(page, html);
    await run(screenshotProgram.program, [
      "--headless", "--disable-gpu", "--hide-scrollbars",
      // The page is our own and asks for nothing; root has no sandbox.
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      ...(dark ? ["--blink-settings=preferredColorScheme=0"] : []),
      `--user-data-dir=${join(folder, "profile")}`, `--window-size=${width},${height}`, `--screenshot=${png}`, `file://${page}`,
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
