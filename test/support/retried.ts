/**
 * One retry is allowed (.config/mocha.json), because some tests are at the mercy of the host's scheduler. It must never
 * hide a fault that comes and goes: every test that needed it is named in the output.
 */
export const mochaHooks: Mocha.RootHookObject = {
  afterEach(this: Mocha.Context) {
    const t = this.currentTest;
    if (t !== undefined && (t as unknown as { currentRetry(): number }).currentRetry() > 0)
      console.log(`    RETRIED: ${t.fullTitle()}`);
  },
};
