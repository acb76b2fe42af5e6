/* Registers the addon's parts; vkernel/machine/host/native.ts documents them. */
#include "digest.h"
#include "fuse.h"
#include "host.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("Host", Host::Define(env));
  InitFiles(env, exports);
  InitDigest(env, exports);
  InitFuse(env, exports);
  return exports;
}

NODE_API_MODULE(vkernel_native, Init)
