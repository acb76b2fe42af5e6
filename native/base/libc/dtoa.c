/*
 * Exact binary to decimal. The number is held in base 10^9 with a fixed point between pt[-1] and pt[0]; the binary
 * exponent is applied by shifting, 29 bits at a time upward and 9 downward (2^9 divides 10^9), so every digit is
 * exact and rounding is decided on the true value. Quadratic in the exponent, and quick enough for print.
 */
#include <string.h>

#include "libc_private.h"

#define BASE 1000000000U
#define INT_LIMBS 560
#define FRAC_LIMBS 1850

int
__dtoa(long double x, int mode, int ndigits, char *out, int *decpt)
{
	uint32_t buf[INT_LIMBS + FRAC_LIMBS];
	uint32_t *pt = buf + INT_LIMBS, *a, *b = pt;
	union {
		long double d;
		struct {
			uint64_t m;
			uint16_t se;
		} b;
	} u;
	uint64_t m;
	int e, n, k, up, shift;

	u.d = x;
	m = u.b.m;
	e = (u.b.se & 0x7fff) - 16383 - 63;
	if ((u.b.se & 0x7fff) == 0)
		e++;
	if (m == 0) {
		*decpt = 1;
		return (0);
	}
	e += __builtin_ctzl(m);
	m >>= __builtin_ctzl(m);
	for (a = pt; m != 0; m /= BASE)
		*--a = (uint32_t)(m % BASE);
	for (; e > 0; e -= shift) {
		uint64_t carry = 0;

		shift = e < 29 ? e : 29;
		for (uint32_t *p = b; p-- > a;) {
			carry += (uint64_t)*p << shift;
			*p = (uint32_t)(carry % BASE);
			carry /= BASE;
		}
		if (carry != 0)
			*--a = (uint32_t)carry;
	}
	for (; e < 0; e += shift) {
		uint32_t rem = 0;

		shift = -e < 9 ? -e : 9;
		for (uint32_t *p = a; p < b; p++) {
			uint32_t t = *p;

			*p = (t >> shift) + rem * (BASE >> shift);
			rem = t & ((1U << shift) - 1);
		}
		if (rem != 0)
			*b++ = rem * (BASE >> shift);
		if (*a == 0)
			a++;
	}
	/* Digits. */
	n = 0;
	*decpt = (int)(pt - a) * 9;
	for (uint32_t *p = a; p < b; p++) {
		uint32_t v = *p;

		for (int i = 8; i >= 0; i--) {
			out[n + i] = (char)('0' + v % 10);
			v /= 10;
		}
		if (p == a) {
			int z = 0;

			while (out[z] == '0')
				z++;
			memmove(out, out + z, (size_t)(9 - z));
			*decpt -= z;
			n = 9 - z;
		} else
			n += 9;
	}
	while (n > 0 && out[n - 1] == '0')
		n--;
	k = mode == 0 ? ndigits : *decpt + ndigits;
	if (k < 0)
		return (0);
	if (k >= n)
		return (n);
	if (out[k] != '5')
		up = out[k] > '5';
	else
		up = k + 1 < n || (k > 0 && (out[k - 1] & 1));
	n = k;
	if (up) {
		while (n > 0 && out[n - 1] == '9')
			n--;
		if (n == 0) {
			out[0] = '1';
			++*decpt;
			return (1);
		}
		out[n - 1]++;
	}
	while (n > 0 && out[n - 1] == '0')
		n--;
	return (n);
}
