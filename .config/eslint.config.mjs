import js from '@eslint/js';
import tseslint from 'typescript-eslint';
import noDroppedGenerator from './no-dropped-generator.mjs';

/** Rooms of the kernel that know nothing of Node; only vkernel/machine/ is the door to the outside. */
const nodeFree = ['vkernel/**/*.ts', 'drivers/**/*.ts'];

export default tseslint.config(
  { ignores: ['dist/**', 'build/**', 'node_modules/**', '**/*.mjs'] },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname + '/..' } },
    plugins: { vkernel: { rules: { 'no-dropped-generator': noDroppedGenerator } } },
    rules: {
      'vkernel/no-dropped-generator': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'require-yield': 'off',
      'no-constant-condition': ['error', { checkLoops: false }],
      eqeqeq: 'error',
    },
  },
  {
    files: nodeFree,
    ignores: ['vkernel/machine/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['node:*'], message: 'Only vkernel/machine/ may use Node.' }] },
      ],
      'no-restricted-globals': ['error', 'process', 'Buffer', 'setTimeout', 'setInterval', 'setImmediate', 'console'],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'Time comes from the Machine.' },
        { object: 'Math', property: 'random', message: 'Entropy comes from the Machine.' },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: ':function[async=true]', message: 'No promises in the kernel: function* and yield*.' },
      ],
    },
  },
  { files: ['test/**/*.ts'], rules: { '@typescript-eslint/no-unused-expressions': 'off' } },
);
