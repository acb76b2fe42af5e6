/*
 * Hot arithmetic of file systems: CRC-32C, XXH64 with HAMMER2's seed, LZ4 block decompression. The TypeScript twins
 * (vkernel/vfs/hammer2/codec) are the oracle in tests and the fallback; vkernel/machine/host/codecs.ts documents the
 * interface.
 *
 * Input may come from a hostile disk: nothing outside the given ranges is read or written. Ranges are checked here;
 * TypeError for misuse.
 */
#include "digest.h"

#include <cstdint>
#include <cstring>

namespace {

// --- arguments ---

/* A Uint8Array argument cut to [off, off + len); null after throwing. */
uint8_t *Range(const Napi::CallbackInfo &info, size_t arg, size_t *len) {
  if (info.Length() < arg + 3 || !info[arg].IsTypedArray() || !info[arg + 1].IsNumber() || !info[arg + 2].IsNumber()) {
    Napi::TypeError::New(info.Env(), "digest: expected (Uint8Array, offset, length)").ThrowAsJavaScriptException();
    return nullptr;
  }
  void *data = nullptr;
  size_t size = 0;
  napi_typedarray_type type;
  napi_get_typedarray_info(info.Env(), info[arg], &type, &size, &data, nullptr, nullptr);
  double off = info[arg + 1].As<Napi::Number>().DoubleValue();
  double n = info[arg + 2].As<Napi::Number>().DoubleValue();
  if (type != napi_uint8_array || !(off >= 0 && n >= 0 && off + n <= static_cast<double>(size))) {
    Napi::TypeError::New(info.Env(), "digest: range outside of the array").ThrowAsJavaScriptException();
    return nullptr;
  }
  *len = static_cast<size_t>(n);
  // An empty array may have no memory; the pointer is not used then, but must not be null.
  static uint8_t nothing;
  return size == 0 ? &nothing : static_cast<uint8_t *>(data) + static_cast<size_t>(off);
}

inline uint64_t Load(const uint8_t *p) {
  uint64_t x;
  memcpy(&x, p, 8);
  return x;
}

// --- CRC-32C ---

uint32_t crcTable[8][256];

void InitCrc() {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = c & 1 ? (c >> 1) ^ 0x82f63b78u : c >> 1;
    crcTable[0][i] = c;
  }
  for (uint32_t i = 0; i < 256; i++)
    for (int k = 1; k < 8; k++) crcTable[k][i] = (crcTable[k - 1][i] >> 8) ^ crcTable[0][crcTable[k - 1][i] & 255];
}

uint32_t CrcTable(const uint8_t *p, size_t n, uint32_t c) {
  for (; n >= 8; n -= 8, p += 8) {
    uint32_t lo, hi;
    memcpy(&lo, p, 4);
    memcpy(&hi, p + 4, 4);
    lo ^= c;
    c = crcTable[7][lo & 255] ^ crcTable[6][lo >> 8 & 255] ^ crcTable[5][lo >> 16 & 255] ^ crcTable[4][lo >> 24] ^
        crcTable[3][hi & 255] ^ crcTable[2][hi >> 8 & 255] ^ crcTable[1][hi >> 16 & 255] ^ crcTable[0][hi >> 24];
  }
  for (; n > 0; n--, p++) c = (c >> 8) ^ crcTable[0][(c ^ *p) & 255];
  return c;
}

#if defined(__x86_64__)
/*
 * The instruction has three cycles latency and one of throughput: three streams side by side, joined by advancing the
 * earlier ones over kStream zero bytes. The CRC's state is linear in its bits, so that is four table look-ups.
 */
constexpr size_t kStream = 2048;
uint32_t skipTable[4][256];

void InitSkip() {
  uint32_t bit[32];
  for (int i = 0; i < 32; i++) {
    bit[i] = 1u << i;
    for (size_t n = 0; n < kStream; n++) bit[i] = (bit[i] >> 8) ^ crcTable[0][bit[i] & 255];
  }
  for (int k = 0; k < 4; k++)
    for (int b = 0; b < 256; b++) {
      uint32_t c = 0;
      for (int i = 0; i < 8; i++)
        if (b >> i & 1) c ^= bit[8 * k + i];
      skipTable[k][b] = c;
    }
}

inline uint32_t Skip(uint32_t c) {
  return skipTable[0][c & 255] ^ skipTable[1][c >> 8 & 255] ^ skipTable[2][c >> 16 & 255] ^ skipTable[3][c >> 24];
}

__attribute__((target("sse4.2"))) uint32_t CrcHardware(const uint8_t *p, size_t n, uint32_t c) {
  uint64_t a = c;
  for (; n >= 3 * kStream; n -= 3 * kStream, p += 3 * kStream) {
    uint64_t b = 0, d = 0;
    for (size_t i = 0; i < kStream; i += 8) {
      a = __builtin_ia32_crc32di(a, Load(p + i));
      b = __builtin_ia32_crc32di(b, Load(p + kStream + i));
      d = __builtin_ia32_crc32di(d, Load(p + 2 * kStream + i));
    }
    a = Skip(Skip(static_cast<uint32_t>(a)) ^ static_cast<uint32_t>(b)) ^ static_cast<uint32_t>(d);
  }
  for (; n >= 8; n -= 8, p += 8) a = __builtin_ia32_crc32di(a, Load(p));
  c = static_cast<uint32_t>(a);
  for (; n > 0; n--, p++) c = __builtin_ia32_crc32qi(c, *p);
  return c;
}
#endif

Napi::Value Crc32c(const Napi::CallbackInfo &info) {
  size_t n;
  const uint8_t *p = Range(info, 0, &n);
  if (p == nullptr) return info.Env().Undefined();
  uint32_t c;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2"))
    c = CrcHardware(p, n, ~0u);
  else
#endif
    c = CrcTable(p, n, ~0u);
  return Napi::Number::New(info.Env(), ~c);
}

/* The table version, for tests on machines that have the instruction. */
Napi::Value Crc32cTable(const Napi::CallbackInfo &info) {
  size_t n;
  const uint8_t *p = Range(info, 0, &n);
  if (p == nullptr) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), ~CrcTable(p, n, ~0u));
}

// --- XXH64 ---

constexpr uint64_t P1 = 0x9e3779b185ebca87u, P2 = 0xc2b2ae3d27d4eb4fu, P3 = 0x165667b19e3779f9u,
                   P4 = 0x85ebca77c2b2ae63u, P5 = 0x27d4eb2f165667c5u, SEED = 0x4d617474446c6c6eu;

inline uint64_t Rotl(uint64_t x, int n) { return x << n | x >> (64 - n); }
inline uint64_t Round(uint64_t acc, uint64_t x) { return Rotl(acc + x * P2, 31) * P1; }

uint64_t XxHash(const uint8_t *p, size_t len) {
  size_t n = len;
  uint64_t h;
  if (n >= 32) {
    uint64_t a = SEED + P1 + P2, b = SEED + P2, c = SEED, d = SEED - P1;
    for (; n >= 32; n -= 32, p += 32) {
      a = Round(a, Load(p));
      b = Round(b, Load(p + 8));
      c = Round(c, Load(p + 16));
      d = Round(d, Load(p + 24));
    }
    h = Rotl(a, 1) + Rotl(b, 7) + Rotl(c, 12) + Rotl(d, 18);
    for (uint64_t lane : {a, b, c, d}) h = (h ^ Round(0, lane)) * P1 + P4;
  } else {
    h = SEED + P5;
  }
  h += len;
  for (; n >= 8; n -= 8, p += 8) h = Rotl(h ^ Round(0, Load(p)), 27) * P1 + P4;
  if (n >= 4) {
    uint32_t x;
    memcpy(&x, p, 4);
    h = Rotl(h ^ x * P1, 23) * P2 + P3;
    n -= 4;
    p += 4;
  }
  for (; n > 0; n--, p++) h = Rotl(h ^ *p * P5, 11) * P1;
  h = (h ^ h >> 33) * P2;
  h = (h ^ h >> 29) * P3;
  return h ^ h >> 32;
}

Napi::Value Xxh64(const Napi::CallbackInfo &info) {
  size_t n;
  const uint8_t *p = Range(info, 0, &n);
  if (p == nullptr) return info.Env().Undefined();
  if (info.Length() < 4 || !info[3].IsTypedArray()) {
    Napi::TypeError::New(info.Env(), "digest: expected a Uint32Array(2)").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  void *out = nullptr;
  size_t size = 0;
  napi_typedarray_type type;
  napi_get_typedarray_info(info.Env(), info[3], &type, &size, &out, nullptr, nullptr);
  if (type != napi_uint32_array || size < 2) {
    Napi::TypeError::New(info.Env(), "digest: expected a Uint32Array(2)").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  uint64_t h = XxHash(p, n);
  uint32_t halves[2] = {static_cast<uint32_t>(h), static_cast<uint32_t>(h >> 32)};
  memcpy(out, halves, 8);
  return info.Env().Undefined();
}

// --- LZ4 ---

/* A length that does not fit 4 bits goes on in bytes; false past the end. */
inline bool MoreLength(const uint8_t *&s, const uint8_t *send, size_t *n) {
  uint8_t x;
  do {
    if (s >= send) return false;
    x = *s++;
    *n += x;
  } while (x == 255);
  return true;
}

/* Bytes produced, or -1. Counterpart and oracle: codec/lz4.ts. */
long Lz4Block(const uint8_t *s, size_t slen, uint8_t *dst, size_t dmax) {
  const uint8_t *send = s + slen;
  uint8_t *d = dst, *dend = dst + dmax;
  for (;;) {
    if (s >= send) return -1;
    unsigned token = *s++;
    size_t n = token >> 4;
    if (n == 15 && !MoreLength(s, send, &n)) return -1;
    if (n > static_cast<size_t>(send - s) || n > static_cast<size_t>(dend - d)) return -1;
    // Whole words where there is room for them on both sides.
    if (n <= 16 && send - s >= 16 && dend - d >= 16)
      memcpy(d, s, 16);
    else
      memcpy(d, s, n);
    s += n;
    d += n;
    if (s == send) return d - dst;
    if (send - s < 2) return -1;
    size_t dist = s[0] | s[1] << 8;
    s += 2;
    if (dist == 0 || dist > static_cast<size_t>(d - dst)) return -1;
    n = (token & 15) + 4;
    if (n == 19 && !MoreLength(s, send, &n)) return -1;
    if (n > static_cast<size_t>(dend - d)) return -1;
    const uint8_t *from = d - dist;
    if (dist >= 8 && static_cast<size_t>(dend - d) >= n + 8) {
      // Eight at a time: what is copied too far is overwritten, or beyond the result.
      for (uint8_t *p = d, *e = d + n; p < e; p += 8, from += 8) memcpy(p, from, 8);
    } else if (dist == 1) {
      memset(d, *from, n);
    } else {
      for (size_t i = 0; i < n; i++) d[i] = from[i];
    }
    d += n;
  }
}

Napi::Value Lz4Decompress(const Napi::CallbackInfo &info) {
  size_t slen, dmax;
  const uint8_t *s = Range(info, 0, &slen);
  if (s == nullptr) return info.Env().Undefined();
  uint8_t *d = Range(info, 3, &dmax);
  if (d == nullptr) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), static_cast<double>(Lz4Block(s, slen, d, dmax)));
}

/* One sequence: literals, then a match (length 0: none, the last). The new end, or nullptr when it does not fit. */
uint8_t *Lz4Sequence(const uint8_t *lit, size_t lits, size_t distance, size_t match, uint8_t *d, const uint8_t *dend) {
  size_t m = match == 0 ? 0 : match - 4;
  size_t need = 1 + (lits < 15 ? 0 : 1 + (lits - 15) / 255) + lits;
  if (match != 0) need += 2 + (m < 15 ? 0 : 1 + (m - 15) / 255);
  if (need > static_cast<size_t>(dend - d)) return nullptr;
  *d++ = static_cast<uint8_t>((lits < 15 ? lits : 15) << 4 | (m < 15 ? m : 15));
  if (lits >= 15) {
    size_t x = lits - 15;
    for (; x >= 255; x -= 255) *d++ = 255;
    *d++ = static_cast<uint8_t>(x);
  }
  memcpy(d, lit, lits);
  d += lits;
  if (match == 0) return d;
  *d++ = static_cast<uint8_t>(distance);
  *d++ = static_cast<uint8_t>(distance >> 8);
  if (m >= 15) {
    size_t x = m - 15;
    for (; x >= 255; x -= 255) *d++ = 255;
    *d++ = static_cast<uint8_t>(x);
  }
  return d;
}

/* Bytes produced, or -1. The same choices as its oracle, codec/lz4_compress.ts: the same bytes. */
long Lz4Pack(const uint8_t *src, size_t len, uint8_t *dst, size_t dmax) {
  constexpr unsigned kHashBits = 13;
  static thread_local uint32_t table[1 << kHashBits];
  auto word = [&](size_t i) {
    uint32_t w;
    memcpy(&w, src + i, 4);
    return w;
  };
  auto hash = [](uint32_t w) { return w * 0x9e3779b1u >> (32 - kHashBits); };
  uint8_t *d = dst;
  const uint8_t *dend = dst + dmax;
  size_t anchor = 0, misses = 0;
  memset(table, 0, sizeof table);
  for (size_t i = 0; i + 12 <= len;) {
    uint32_t w = word(i), h = hash(w);
    size_t at = table[h];
    table[h] = static_cast<uint32_t>(i + 1);
    if (at == 0 || i - (at - 1) > 65535 || word(at - 1) != w) {
      i += 1 + (misses++ >> 6);
      continue;
    }
    at--;
    size_t n = 4;
    while (i + n + 8 <= len - 5) {
      uint64_t a, b;
      memcpy(&a, src + at + n, 8);
      memcpy(&b, src + i + n, 8);
      if (a != b) {
        n += static_cast<size_t>(__builtin_ctzll(a ^ b)) / 8;
        goto found;
      }
      n += 8;
    }
    while (i + n < len - 5 && src[at + n] == src[i + n]) n++;
  found:
    d = Lz4Sequence(src + anchor, i - anchor, i - at, n, d, dend);
    if (d == nullptr) return -1;
    i += n;
    anchor = i;
    misses = 0;
    if (i + 12 <= len) table[hash(word(i - 2))] = static_cast<uint32_t>(i - 1);
  }
  d = Lz4Sequence(src + anchor, len - anchor, 0, 0, d, dend);
  return d == nullptr ? -1 : d - dst;
}

Napi::Value Lz4Compress(const Napi::CallbackInfo &info) {
  size_t slen, dmax;
  const uint8_t *s = Range(info, 0, &slen);
  if (s == nullptr) return info.Env().Undefined();
  uint8_t *d = Range(info, 3, &dmax);
  if (d == nullptr) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), static_cast<double>(Lz4Pack(s, slen, d, dmax)));
}

}  // namespace

void InitDigest(Napi::Env env, Napi::Object exports) {
  InitCrc();
#if defined(__x86_64__)
  InitSkip();
#endif
  exports.Set("crc32c", Napi::Function::New<Crc32c>(env, "crc32c"));
  exports.Set("crc32cTable", Napi::Function::New<Crc32cTable>(env, "crc32cTable"));
  exports.Set("xxh64", Napi::Function::New<Xxh64>(env, "xxh64"));
  exports.Set("lz4Compress", Napi::Function::New<Lz4Compress>(env, "lz4Compress"));
  exports.Set("lz4Decompress", Napi::Function::New<Lz4Decompress>(env, "lz4Decompress"));
}
