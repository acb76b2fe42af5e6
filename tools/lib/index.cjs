/* global exports */
'use strict';
/** The library for `require`: the same functions, loaded when first called. */
exports.boot = async (options) => (await import('../../dist/tools/lib/index.js')).boot(options);
