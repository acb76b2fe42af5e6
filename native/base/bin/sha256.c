/*
 * sha256 [-pqr] [-c digest] [-s string] [file ...], sha256sum file ...: message digests. Counterpart: sbin/md5.
 */
#include "util.h"

struct sha256 {
	uint32_t h[8];
	uint64_t bytes;
	unsigned char buf[64];
	size_t n;
};

/* Fractions of the cube roots of the first 64 primes (FIPS 180-4). */
static const uint32_t K[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
	0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
	0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
	0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#define ROR(x, n) ((x) >> (n) | (x) << (32 - (n)))

/* One round; the next has the eight names turned by one, so that nothing is moved: 3 times as fast as shifting them. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                               \
	do {                                                                                           \
		(h) += (ROR(e, 6) ^ ROR(e, 11) ^ ROR(e, 25)) + ((g) ^ ((e) & ((f) ^ (g)))) + K[i] + w[i];  \
		(d) += (h);                                                                            \
		(h) += (ROR(a, 2) ^ ROR(a, 13) ^ ROR(a, 22)) + (((a) & (b)) | ((c) & ((a) | (b))));        \
	} while (0)

static void
block(struct sha256 *ctx, const unsigned char *p)
{
	uint32_t w[64], *s = ctx->h;
	uint32_t a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];

	for (int i = 0; i < 16; i++, p += 4)
		w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	for (int i = 16; i < 64; i++) {
		uint32_t x = w[i - 15], y = w[i - 2];

		w[i] = w[i - 16] + (ROR(x, 7) ^ ROR(x, 18) ^ x >> 3) + w[i - 7] + (ROR(y, 17) ^ ROR(y, 19) ^ y >> 10);
	}
	for (int i = 0; i < 64; i += 8) {
		ROUND(a, b, c, d, e, f, g, h, i);
		ROUND(h, a, b, c, d, e, f, g, i + 1);
		ROUND(g, h, a, b, c, d, e, f, i + 2);
		ROUND(f, g, h, a, b, c, d, e, i + 3);
		ROUND(e, f, g, h, a, b, c, d, i + 4);
		ROUND(d, e, f, g, h, a, b, c, i + 5);
		ROUND(c, d, e, f, g, h, a, b, i + 6);
		ROUND(b, c, d, e, f, g, h, a, i + 7);
	}
	s[0] += a;
	s[1] += b;
	s[2] += c;
	s[3] += d;
	s[4] += e;
	s[5] += f;
	s[6] += g;
	s[7] += h;
}

static void
start(struct sha256 *c)
{
	static const uint32_t h0[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
		0x5be0cd19 };

	memcpy(c->h, h0, sizeof(h0));
	c->bytes = 0;
	c->n = 0;
}

static void
update(struct sha256 *c, const void *data, size_t len)
{
	const unsigned char *p = data;

	c->bytes += len;
	while (len > 0) {
		size_t k = 64 - c->n < len ? 64 - c->n : len;

		if (c->n == 0 && len >= 64) {
			block(c, p);
			p += 64;
			len -= 64;
			continue;
		}
		memcpy(c->buf + c->n, p, k);
		p += k;
		len -= k;
		if ((c->n += k) == 64) {
			block(c, c->buf);
			c->n = 0;
		}
	}
}

static void
end(struct sha256 *c, char hex[65])
{
	uint64_t bits = c->bytes * 8;
	unsigned char pad[72] = { 0x80 };
	size_t n = (c->n < 56 ? 56 : 120) - c->n;

	for (int i = 0; i < 8; i++)
		pad[n + (size_t)i] = (unsigned char)(bits >> (56 - 8 * i));
	update(c, pad, n + 8);
	for (int i = 0; i < 8; i++)
		snprintf(hex + 8 * i, 9, "%08x", c->h[i]);
}

/* Digest of a descriptor; with `echo` the data goes to stdout too. */
static int
digest_fd(int fd, char hex[65], bool echo)
{
	static char buf[65536];
	struct sha256 c;
	ssize_t n;

	start(&c);
	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		update(&c, buf, (size_t)n);
		if (echo && write_all(STDOUT_FILENO, buf, (size_t)n) != 0)
			err(1, "stdout");
	}
	end(&c, hex);
	return 0;
}

int
sha256_main(int argc, char **argv)
{
	static const char text[] = "sha256 [-pqrtx] [-c string] [-s string] [files ...]";
	bool sum = strcmp(base_name(argv[0]), "sha256sum") == 0, pflag = false, qflag = false, rflag = false, did = false;
	const char *expect = NULL;
	char hex[65];
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, sum ? "b" : "c:pqrs:")) != -1) {
		struct sha256 c;

		switch (ch) {
		case 'b': break;
		case 'c': expect = optarg; break;
		case 'p': pflag = true; break;
		case 'q': qflag = true; break;
		case 'r': rflag = true; break;
		case 's':
			start(&c);
			update(&c, optarg, strlen(optarg));
			end(&c, hex);
			if (qflag)
				puts(hex);
			else if (rflag)
				printf("%s \"%s\"\n", hex, optarg);
			else
				printf("SHA256 (\"%s\") = %s\n", optarg, hex);
			did = true;
			break;
		default: usage(1, text);
		}
	}
	if (optind == argc && !did) {
		if (digest_fd(STDIN_FILENO, hex, pflag) != 0)
			err(1, "stdin");
		printf(sum ? "%s  -\n" : "%s\n", hex);
		rc = expect != NULL && strcasecmp(expect, hex) != 0 ? 2 : 0;
	}
	for (int i = optind; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY);

		if (fd < 0 || digest_fd(fd, hex, false) != 0) {
			warn("%s", argv[i]);
			rc = 1;
			if (fd >= 0)
				close(fd);
			continue;
		}
		close(fd);
		if (sum)
			printf("%s  %s", hex, argv[i]);
		else if (qflag)
			fputs(hex, stdout);
		else if (rflag)
			printf("%s %s", hex, argv[i]);
		else
			printf("SHA256 (%s) = %s", argv[i], hex);
		if (expect != NULL && strcasecmp(expect, hex) != 0) {
			rc = 2;
			if (!qflag)
				fputs(" [ Failed ]", stdout);
		}
		putchar('\n');
	}
	return finish(rc);
}
