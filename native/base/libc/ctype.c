/* <ctype.h> and <wctype.h> for the C locale, from one table of flags. */
#include <ctype.h>
#include <wchar.h>
#include <wctype.h>

#define C __CT_C
#define S __CT_S
#define P __CT_P
#define D (__CT_D | __CT_X)
#define U __CT_U
#define X (__CT_U | __CT_X)
#define L __CT_L
#define H (__CT_L | __CT_X)
#define B __CT_B

/* Index 0 is EOF. */
const unsigned char __ctype_tab[257] = { 0,
	C, C, C, C, C, C, C, C, C, C | S | B, C | S, C | S, C | S, C | S, C, C,
	C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C,
	S | B, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P,
	D, D, D, D, D, D, D, D, D, D, P, P, P, P, P, P,
	P, X, X, X, X, X, X, U, U, U, U, U, U, U, U, U,
	U, U, U, U, U, U, U, U, U, U, U, P, P, P, P, P,
	P, H, H, H, H, H, H, L, L, L, L, L, L, L, L, L,
	L, L, L, L, L, L, L, L, L, L, L, P, P, P, P, C,
};
#undef isalnum
#undef isalpha
#undef isdigit
#undef islower
#undef isupper
#undef isspace
#undef isxdigit
#undef ispunct
#undef iscntrl
#undef isgraph

static inline int
test(int c, int mask)
{
	return (c >= -1 && c <= 255 ? __ctype_tab[c + 1] & mask : 0);
}

#define CLASS(name, mask)                   \
	int is##name(int c)                 \
	{                                   \
		return (test(c, mask));     \
	}                                   \
	int isw##name(wint_t c)             \
	{                                   \
		return (test((int)c, mask)); \
	}
CLASS(alnum, __CT_U | __CT_L | __CT_D)
CLASS(alpha, __CT_U | __CT_L)
CLASS(digit, __CT_D)
CLASS(lower, __CT_L)
CLASS(upper, __CT_U)
CLASS(space, __CT_S)
CLASS(xdigit, __CT_X)
CLASS(punct, __CT_P)
CLASS(cntrl, __CT_C)
CLASS(blank, __CT_B)
CLASS(graph, __CT_U | __CT_L | __CT_D | __CT_P)

int
isprint(int c)
{
	return (c >= ' ' && c < 0x7f);
}

int
iswprint(wint_t c)
{
	return (c >= ' ' && c < 0x7f);
}

int
isascii(int c)
{
	return (c >= 0 && c < 128);
}

int
toascii(int c)
{
	return (c & 0x7f);
}

int
tolower(int c)
{
	return (c >= 'A' && c <= 'Z' ? c + 32 : c);
}

int
toupper(int c)
{
	return (c >= 'a' && c <= 'z' ? c - 32 : c);
}

wint_t
towlower(wint_t c)
{
	return (c < 128 ? (wint_t)tolower((int)c) : c);
}

wint_t
towupper(wint_t c)
{
	return (c < 128 ? (wint_t)toupper((int)c) : c);
}

int
digittoint(int c)
{
	return (c >= '0' && c <= '9' ? c - '0' : test(c, __CT_X) ? tolower(c) - 'a' + 10 : 0);
}
