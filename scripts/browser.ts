/*
 * npm run browser: everything but the file source, in a real browser against Node.
 *
 * The packages are bundled from their sources into one page. Headless Chromium fetches each dump as a Blob and says
 * everything about it; Node says the same of the file; every text is compared. What a guest's kernel printed and QEMU's MMU
 * answered is compared with the browser too. Exit code 1 if anything differs; 0 where there is no Chromium.
 */
import type { Page } from 'playwright-core';
import { bundlePage } from './browser/bundle.js';
import { findChromium, startChromium } from './browser/chromium.js';
import { dumps, type DumpCase } from './browser/dumps.js';
import { examine, type Report } from './browser/examine.js';
import type { Failure, PageApi } from './browser/page.js';
import { serve, type Served } from './browser/server.js';
import { installMissing } from './debian.js';

/** Pages by path, with the content security policy that they are served under. */
const PAGES = {
  /** What @pgtable/memory says that it needs: WebAssembly, and data: for zstd's. */
  usual: { path: '/', policy: "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' data:", headers: {} },
  /** No WebAssembly at all. */
  strict: { path: '/strict', policy: "default-src 'none'; script-src 'self'; connect-src 'self'", headers: {} },
  /** A page that has SharedArrayBuffer. */
  isolated: {
    path: '/isolated',
    policy: "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' data:",
    headers: { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' },
  },
} as const;

/** Longer than this, and a dump counts as hung. */
const HUNG_MS = 120_000;

let problems = 0;

function problem(text: string): void {
  problems++;
  console.log(`    ${text}`);
}

/** Runs a dump in a page. */
async function inPage(page: Page, { order }: DumpCase): Promise<Report | Failure> {
  let timer: NodeJS.Timeout | undefined;
  const hung = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer for ${HUNG_MS / 1000} s`));
    }, HUNG_MS);
  });
  try {
    return await Promise.race([page.evaluate((given) => (globalThis as typeof globalThis & PageApi).examineDump(given), order), hung]);
  } catch (error) {
    return { code: '', message: String(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** The first line in which two texts differ. */
function difference(left: string, right: string, leftName: string, rightName: string): string {
  const [ours, theirs] = [left.split('\n'), right.split('\n')];
  const at = ours.findIndex((line, index) => line !== theirs[index]);
  const line = at < 0 ? ours.length : at;
  const quoted = (texts: readonly string[]): string => (line < texts.length ? JSON.stringify(texts[line]).slice(0, 200) : 'ends');
  return `line ${line + 1}: ${leftName} ${quoted(ours)}, ${rightName} ${quoted(theirs)}`;
}

function compareReports(browser: Report, node: Report, name = 'Node', only?: RegExp): void {
  for (const title of new Set([...Object.keys(browser.sections), ...Object.keys(node.sections)])) {
    const [ours, theirs] = [browser.sections[title] ?? '(nothing)', node.sections[title] ?? '(nothing)'];
    if (only?.test(title) !== false && ours !== theirs) problem(`${title}, ${difference(ours, theirs, 'browser', name)}`);
  }
}

/** QEMU has one word for all that is not mapped. */
function asQemu(answer: string): string {
  return answer === 'non-canonical' ? 'unmapped' : answer;
}

/** What the dump's own oracles say. */
function compareOracles(dump: DumpCase, report: Report): void {
  if (dump.listing !== undefined && report.listing !== dump.listing) problem(`the guest kernel's listing, ${difference(report.listing, dump.listing, 'browser', 'kernel')}`);
  dump.answers.forEach((expected, question) => {
    const ours = report.answers[question]?.map(asQemu) ?? [];
    const wrong = expected?.flatMap((answer, at) => (ours[at] === answer ? [] : [`${dump.order.questions[question]!.addresses[at]!}: browser ${ours[at] ?? 'nothing'}, QEMU ${answer}`])) ?? [];
    if (wrong.length > 0) problem(`${wrong.length} of ${expected!.length} addresses, ${wrong[0]!}`);
  });
}

interface Answered {
  readonly dump: DumpCase;
  readonly node: Report;
}

/** Every dump, in the page and in Node. */
async function compareDumps(page: Page, cases: readonly DumpCase[]): Promise<Answered[]> {
  const answered: Answered[] = [];
  console.log(`${'dump'.padEnd(52)} ${'bytes'.padStart(9)} ${'browser'.padStart(8)} ${'node'.padStart(8)} ${'texts'.padStart(6)} ${'lines'.padStart(6)} ${'addr.'.padStart(6)} ${'W+X'.padStart(5)}`);
  for (const dump of cases) {
    const report = await inPage(page, dump);
    const node = await examine(await dump.source(), dump.order);
    if ('code' in report) {
      console.log(dump.name);
      problem(`the browser gave no answer: ${report.message}`);
      continue;
    }
    const lines = report.listing.split('\n').length - 1;
    const addresses = report.answers.reduce((sum, { length }) => sum + length, 0);
    console.log(`${dump.name.padEnd(52)} ${String(dump.bytes.length).padStart(9)} ${report.milliseconds.toFixed(0).padStart(5)} ms ${node.milliseconds.toFixed(0).padStart(5)} ms ${String(Object.keys(report.sections).length).padStart(6)} ${String(lines).padStart(6)} ${String(addresses).padStart(6)} ${String(report.writableExecutable).padStart(5)}`);
    compareReports(report, node);
    compareOracles(dump, report);
    // The container changes nothing in the tables.
    const original = answered.find((other) => other.dump.name === dump.same);
    if (original !== undefined) compareReports(report, original.node, original.dump.name, /^root \d|^translations|^explanations/);
    answered.push({ dump, node });
  }
  return answered;
}

/** Under a policy without WebAssembly, two compressions cannot be read, and say so; everything else works. */
async function compareStrict(page: Page, answered: readonly Answered[]): Promise<void> {
  for (const { dump, node } of answered.filter(({ dump: { compression } }) => compression !== undefined)) {
    const report = await inPage(page, dump);
    const failed = 'code' in report;
    const refused = dump.compression === 'snappy' || dump.compression === 'zstd';
    if (refused !== failed || (failed && report.code !== 'ENOTSUP')) problem(`${dump.name} without WebAssembly: ${failed ? report.message : 'it was read'}`);
    if (!failed) compareReports(report, node);
  }
}

async function compareSurroundings(page: Page, isolated: boolean): Promise<void> {
  const found = await page.evaluate(() => (globalThis as typeof globalThis & PageApi).surroundings());
  const globals = isolated ? 'SharedArrayBuffer' : '';
  const shared = isolated ? '4096 bytes' : 'ENOTSUP';
  console.log(`${isolated ? 'isolated' : 'usual'} page: of process, Buffer, require and SharedArrayBuffer it has ${found.globals.join(', ') || 'none'}; shared tables: ${found.sharedTables}`);
  if (found.isolated !== isolated) problem(`the page is ${found.isolated ? '' : 'not '}isolated`);
  if (found.globals.join() !== globals) problem(`expected ${globals || 'none'} of them`);
  if (found.sharedTables !== shared) problem(`expected shared tables to give ${shared}`);
}

/** A kernel with two processes, in shared memory, with all checks. */
async function compareProcesses(page: Page): Promise<void> {
  const found = await page.evaluate(() => (globalThis as typeof globalThis & PageApi).processes());
  console.log(`isolated page: a process and its child read ${found}`);
  if (found !== '1 and 2') problem('expected them to read 1 and 2');
}

/** The paths of the server: pages, their module, and dumps. */
function pathsOf(code: Uint8Array, cases: readonly DumpCase[]): Map<string, Served> {
  const text = (content: string): Uint8Array => new TextEncoder().encode(content);
  const resource = { 'cross-origin-resource-policy': 'same-origin' };
  const paths = new Map<string, Served>();
  for (const { path, policy, headers } of Object.values(PAGES)) {
    const html = '<!doctype html><meta charset="utf-8"><title>pgtable</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>';
    paths.set(path, { bytes: text(html), headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy, ...headers } });
  }
  paths.set('/page.js', { bytes: code, headers: { 'content-type': 'text/javascript; charset=utf-8', ...resource } });
  for (const { order, bytes } of cases) paths.set(order.url, { bytes, headers: { 'content-type': 'application/octet-stream', ...resource } });
  return paths;
}

async function main(): Promise<void> {
  const began = performance.now();
  const executable = findChromium() ?? (installMissing([{ command: 'chromium', packages: ['chromium'] }]) ? findChromium() : undefined);
  if (executable === undefined) {
    console.log('browser: left out, because there is no Chromium here: install it, or name it in the variable CHROMIUM');
    return;
  }
  const bundle = await bundlePage();
  console.log(`bundle: ${bundle.sources} sources, ${bundle.code.length} bytes (${bundle.gzipped} as gzip), no module of Node`);
  for (const text of bundle.problems) problem(text);
  const cases = await dumps();
  const server = await serve(pathsOf(bundle.code, cases));
  try {
    const browser = await startChromium(executable, server.origin);
    try {
      console.log(`Chromium ${browser.version}, Node ${process.versions.node}`);
      const usual = await browser.open(`${server.origin}${PAGES.usual.path}`);
      await compareSurroundings(usual, false);
      const answered = await compareDumps(usual, cases);
      await compareStrict(await browser.open(`${server.origin}${PAGES.strict.path}`), answered);
      const isolated = await browser.open(`${server.origin}${PAGES.isolated.path}`);
      await compareSurroundings(isolated, true);
      await compareProcesses(isolated);
      browser.complaints.forEach(problem);
    } finally {
      await browser.close();
    }
  } finally {
    await server.close();
  }
  console.log(`browser: ${cases.length} dumps, ${problems === 0 ? 'all the same as in Node' : `${problems} differences`}; ${((performance.now() - began) / 1000).toFixed(0)} s`);
  process.exitCode = problems === 0 ? 0 : 1;
}

try {
  await main();
} catch (error) {
  console.error('browser: it could not be run:', error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
