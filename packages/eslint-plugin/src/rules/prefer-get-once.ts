import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import { entryRead, handedOver, textOf, type EntryRead, type PlainGetter } from '../accessors.js';
import { createRule } from '../create-rule.js';
import { importCore } from '../fix/reach.js';
import { inOneGo, type Visitor } from '../in-one-go.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';
import { Locks } from './get-once/locks.js';
import { Reasons } from './get-once/reasons.js';
import { Subject } from './get-once/subject.js';
import { Walks } from './get-once/walks.js';
import { Writes } from './get-once/writes.js';

const MESSAGES = {
  ...NO_TYPES,
  plain: 'A {{level}} entry is read plainly, and {{why}}: the read may be torn, or give another value the next time. Read it in one step.',
  unlocked: 'A {{level}} entry is read without a lock and written in line {{line}} by what was read: whoever changes it in between is lost. Take the lock of its table and read it plainly there, or compare under the lock.',
  useOnce: 'Use {{name}}: the one entry, read in one step.',
  useLockless: 'Use {{name}}: the whole of a contiguous block, read until it is consistent.',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

/**
 * The two ways of reading are for two situations: plainly under the lock of the table, in one step without it. Plain reads are reported where the code says
 * that no lock is held: in functions marked `@lockless`, in walks without locks, in sections that are RCU's alone. And a read in one step is reported where a write
 * follows with no lock taken in between: it makes a race look as if somebody had thought of it.
 */
export const preferGetOnce = createRule<Messages>({
  name: 'prefer-get-once',
  meta: {
    type: 'problem',
    docs: { description: 'Entries are read in one step where no lock is held, and under the lock where they are written', config: 'strict', typed: true },
    hasSuggestions: true,
    messages: MESSAGES,
  },
  create(context) {
    const types = typed(context, { inArchitecture: true });
    return types === undefined ? {} : inOneGo(context.sourceCode, new PlainReads(context, types));
  },
});

/** The reads of entries in one file. */
class PlainReads implements Visitor {
  private readonly context: Context;
  private readonly types: Typed;
  /** Made once an entry is read: in most files none is. */
  private reads: Reads | undefined;

  constructor(context: Context, types: Typed) {
    this.context = context;
    this.types = types;
  }

  CallExpression(node: TSESTree.CallExpression): void {
    for (const argument of node.arguments) {
      const getter = handedOver(this.types, argument);
      if (getter !== undefined) this.checks().checkGiven(getter);
    }
    const read = entryRead(this.types, node);
    if (read === undefined || !this.types.isLive(read.handle)) return;
    this.checks().check(read);
  }

  private checks(): Reads {
    this.reads ??= new Reads(this.context, new Subject(this.context.sourceCode, this.types));
    return this.reads;
  }
}

/** What is wrong with how entries are read, and what helps. */
class Reads {
  private readonly context: Context;
  private readonly subject: Subject;
  private readonly reasons: Reasons;
  private readonly writes: Writes;

  constructor(context: Context, subject: Subject) {
    const locks = new Locks(subject);
    const walks = new Walks(subject);
    this.context = context;
    this.subject = subject;
    this.reasons = new Reasons(subject, locks, walks);
    this.writes = new Writes(subject, locks, walks);
  }

  check(read: EntryRead): void {
    const data = { level: read.level ?? 'page-table' };
    if (read.way === 'plain') {
      const why = this.reasons.of(read);
      if (why !== undefined) this.context.report({ node: read.node, messageId: 'plain', data: { ...data, why }, suggest: this.suggestions(read, read.isFunction ? this.subject.nameOf(read.node) : textOf(read.name)) });
      return;
    }
    const write = this.writes.writeAfter(read);
    if (write !== undefined) this.context.report({ node: read.node, messageId: 'unlocked', data: { ...data, line: String(write.loc.start.line) } });
  }

  /** A plain getter that is handed on where no lock is held: whoever gets it reads plainly. */
  checkGiven(getter: PlainGetter): void {
    const why = this.reasons.at(getter.node);
    if (why !== undefined) this.context.report({ node: getter.node, messageId: 'plain', data: { level: getter.level ?? 'page-table', why }, suggest: this.suggestions(getter, getter.original) });
  }

  /** @param original of a function, the name that core has for it, whatever it is called here */
  private suggestions(read: Pick<EntryRead, 'name' | 'isFunction'> & { readonly node: TSESTree.Node }, original: string): TSESLint.ReportSuggestionArray<Messages> {
    const forms = [['useOnce', 'Once'], ['useLockless', 'Lockless']] as const;
    return forms.flatMap(([messageId, suffix]) => {
      const name = `${original}${suffix}`;
      // pudpGetLockless does not exist: contiguous blocks are of the two lowest levels. Names of one's own are another matter.
      const symbol = this.subject.types.symbolOf(read.name);
      if (symbol === undefined || !this.subject.types.types.isCoreSymbol(symbol, original)) return [];
      if (!(read.isFunction ? /^(pte|pmd)pGet$/ : /^((pte|pmd)pGet|get)$/).test(original) && !(suffix === 'Once' && /^(pud|p4d|pgd)pGet$/.test(original))) return [];
      return [{
        messageId,
        data: { name },
        fix: (fixer: TSESLint.RuleFixer): TSESLint.RuleFix[] | null => {
          const imports = read.isFunction ? importCore(this.context, fixer, read.node, [name]) : [];
          return imports === undefined ? null : [...imports, fixer.replaceText(read.name, read.name.type === AST_NODE_TYPES.Identifier ? name : `'${name}'`)];
        },
      }];
    });
  }
}
