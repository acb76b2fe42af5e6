/* Check codes and decompression for file systems; see digest.cc. */
#pragma once
#include <napi.h>

void InitDigest(Napi::Env env, Napi::Object exports);
