import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';

const DEFAULT = '/usr/bin/chromium';
const FLAGS = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** The browser's program; undefined where none is installed. */
export function findChromium(): string | undefined {
  const named = process.env.CHROMIUM ?? '';
  if (named !== '' && !existsSync(named)) throw new Error(`there is no ${named}, which CHROMIUM names`);
  return named !== '' ? named : existsSync(DEFAULT) ? DEFAULT : undefined;
}

export interface Browser {
  readonly version: string;
  /** Errors that no page caught, and requests that went elsewhere. */
  readonly complaints: readonly string[];
  open(url: string): Promise<Page>;
  close(): Promise<void>;
}

/** A headless Chromium with a user directory of its own, which is removed again. Only `origin` is to be asked for anything. */
export async function startChromium(executablePath: string, origin: string): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), 'pgtable-browser-'));
  const removeFolder = (): void => {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    // Playwright adds --headless, --no-sandbox and --user-data-dir.
    const context = await chromium.launchPersistentContext(folder, { executablePath, headless: true, chromiumSandbox: false, args: FLAGS, timeout: 60_000 });
    const complaints: string[] = [];
    context.on('request', (request) => {
      if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith('data:') && request.url() !== 'about:blank') complaints.push(`the page asked for ${request.url()}`);
    });
    context.on('weberror', (error) => complaints.push(String(error.error())));
    return {
      version: context.browser()?.version() ?? 'of unknown version',
      complaints,
      async open(url) {
        const page = await context.newPage();
        await page.goto(url, { waitUntil: 'load' });
        return page;
      },
      async close() {
        await context.close();
        removeFolder();
      },
    };
  } catch (error) {
    removeFolder();
    throw error;
  }
}
