import { AST_TOKEN_TYPES, type ParserServicesWithTypeInformation, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import { createRule } from '../create-rule.js';
import { settingsOf } from '../settings.js';
import { Types } from '../types/types.js';

const MESSAGES = {
  one: 'This turns {{rules}} off and does not say why: add " -- " and a reason of at least three words.',
  all: 'This turns every rule off, those of page tables too, and does not say why: name the rules, or add " -- " and a reason of at least three words.',
} as const;

/** A comment that tells ESLint something: what it is, and the rest. As ESLint reads it, a word of the kind ends at a space. */
const DIRECTIVE = /^(eslint(?:-disable(?:(?:-next)?-line)?)?)(?:\s+|$)([\s\S]*)$/;
/** What a reason begins with. */
const REASON = /(?:^|\s)-{2,}\s/;
/** One setting of a comment like `eslint pgtable/no-raw-deref: off`, that turns its rule off. */
const OFF = /["']?([\w@/-]+)["']?\s*:\s*\[?\s*(?:["']off["']|off|0)(?![\w.])/g;
/** Writing without spaces between words. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u;
const WORDS = 3;

/**
 * A false positive may be marked, but only with a reason, which is what the next reader needs. The report stands at column -1 of the comment's line, where
 * no such comment reaches: else the comment would hide it.
 */
export const requireReason = createRule<keyof typeof MESSAGES>({
  name: 'require-reason',
  meta: {
    type: 'suggestion',
    docs: { description: 'A comment that turns a rule about page tables off says why', config: 'recommended', typed: false },
    messages: MESSAGES,
  },
  create(context) {
    settingsOf(context);
    const own = context.id.slice(0, context.id.lastIndexOf('/') + 1);
    const isOurs = (name: string): boolean => name.startsWith('pgtable/') || (own !== '' && name.startsWith(own));
    return {
      Program() {
        for (const comment of context.sourceCode.getAllComments()) {
          const off = turnedOff(comment);
          if (off === undefined || off.words >= WORDS) continue;
          const loc = { start: { line: comment.loc.start.line, column: -1 }, end: comment.loc.end };
          const ours = off.rules.filter(isOurs);
          if (ours.length > 0) context.report({ loc, messageId: 'one', data: { rules: ours.join(', ') } });
          else if (off.rules.length === 0 && mayHaveHandles(context)) context.report({ loc, messageId: 'all' });
        }
      },
    };
  },
});

/** Which rules a comment turns off, none named being all, and of how many words its reason is; undefined for any other comment. */
function turnedOff(comment: TSESTree.Comment): { readonly rules: readonly string[]; readonly words: number } | undefined {
  const [, kind, rest] = DIRECTIVE.exec(comment.value.trim()) ?? [];
  if (kind === undefined || rest === undefined) return undefined;
  // ESLint listens to these only where they are in a block.
  if (comment.type === AST_TOKEN_TYPES.Line && (kind === 'eslint' || kind === 'eslint-disable')) return undefined;
  const reason = REASON.exec(`${rest} `);
  const what = reason === null ? rest : rest.slice(0, reason.index);
  const words = reason === null ? 0 : countWords(rest.slice(reason.index + reason[0].length));
  if (kind === 'eslint') {
    const rules = [...what.matchAll(OFF)].map(([, name]) => name!);
    return rules.length === 0 ? undefined : { rules, words };
  }
  return { rules: what.split(',').map((name) => name.trim().replace(/^(["'])(.*)\1$/, '$2')).filter((name) => name !== '').map(firstWord), words };
}

/** A rule's name without a reason that was put behind it in another way: ESLint then finds no rule of that name, and the comment does nothing at all. */
function firstWord(text: string): string {
  return /^[\w@/-]+/.exec(text)?.[0] ?? text;
}

function countWords(text: string): number {
  return text
    .split(/\s+/)
    .filter((word) => /[\p{Letter}\p{Number}]/u.test(word))
    .map((word) => (UNSPACED.test(word) ? [...new Intl.Segmenter('zh', { granularity: 'word' }).segment(word)].filter(({ isWordLike }) => isWordLike).length : 1))
    .reduce((sum, count) => sum + count, 0);
}

/** Whether all rules are ours too: not so in a file that is known to have nothing to do with page tables. */
function mayHaveHandles(context: Readonly<TSESLint.RuleContext<string, readonly unknown[]>>): boolean {
  const services = context.sourceCode.parserServices;
  if (services?.program === undefined || services.program === null) return true;
  const complete = services as ParserServicesWithTypeInformation;
  const types = Types.of(complete, settingsOf(context));
  return types.relevant && types.reachesCore(complete.esTreeNodeToTSNodeMap.get(context.sourceCode.ast));
}
