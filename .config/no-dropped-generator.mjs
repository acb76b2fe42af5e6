/**
 * ESLint rule: a call of a `function*` whose result is dropped does nothing, silently.
 *
 * Kernel code that may sleep is a generator and has to be called with `yield*`. This rule uses type information to
 * find expression statements (also behind `void`, `&&`, `||`, `?:` and `,`) whose value is a Generator.
 */
import { ESLintUtils } from '@typescript-eslint/utils';

const generatorNames = new Set(['Generator', 'AsyncGenerator', 'IterableIterator', 'IteratorObject']);

/** The sub-expressions whose value an expression statement throws away. */
function* dropped(node) {
  switch (node.type) {
    case 'UnaryExpression':
      yield* dropped(node.argument);
      return;
    case 'LogicalExpression':
      yield* dropped(node.right);
      return;
    case 'ConditionalExpression':
      yield* dropped(node.consequent);
      yield* dropped(node.alternate);
      return;
    case 'SequenceExpression':
      for (const e of node.expressions) yield* dropped(e);
      return;
    case 'ChainExpression':
      yield* dropped(node.expression);
      return;
    default:
      yield node;
  }
}

export default {
  meta: {
    type: 'problem',
    docs: { description: 'reject a generator call whose result is dropped' },
    messages: { dropped: 'This generator never runs: its result is dropped. Call it with `yield*`.' },
    schema: [],
  },
  create(context) {
    const services = ESLintUtils.getParserServices(context);
    const isGenerator = (type) =>
      type.isUnion()
        ? type.types.some(isGenerator)
        : generatorNames.has(type.getSymbol()?.name ?? '') || type.aliasSymbol?.name === 'Blocking';
    const check = (statement, expression) => {
      for (const e of dropped(expression)) {
        if (e.type !== 'CallExpression' && e.type !== 'YieldExpression') continue;
        if (e.type === 'YieldExpression' && (e.delegate || e.argument === null)) continue;
        const value = e.type === 'YieldExpression' ? e.argument : e;
        if (isGenerator(services.getTypeAtLocation(value))) context.report({ node: e, messageId: 'dropped' });
      }
    };
    return {
      ExpressionStatement: (node) => check(node, node.expression),
      'ArrowFunctionExpression[body.type!="BlockStatement"]': (node) => {
        // `() => gen()` hands the generator on unless the arrow's type says it returns void.
        const signature = services.program
          .getTypeChecker()
          .getSignatureFromDeclaration(services.esTreeNodeToTSNodeMap.get(node));
        const contextual = services.program
          .getTypeChecker()
          .getContextualType(services.esTreeNodeToTSNodeMap.get(node));
        const wanted = contextual?.getCallSignatures()[0]?.getReturnType();
        if (signature && wanted && (wanted.flags & 16384) /* Void */ !== 0) check(node, node.body);
      },
    };
  },
};
