/* The scanf family: a matcher over a stream; strings are read through a stream on the stack. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "libc_private.h"

enum len { NONE, HH, H, L, LD };

static int
peek(FILE *f)
{
	return (f->rp >= f->re && __srefill(f) != 0 ? EOF : *f->rp);
}

/* Collect the longest prefix of a number in text[room]; returns its length. Bytes are eaten one at a time. */
static size_t
take_int(FILE *f, char *text, int width, int base)
{
	size_t n = 0;
	int c, digits = 0;

	for (; width > 0 && n < 200; width--) {
		c = peek(f);
		if (c == EOF)
			break;
		if ((c == '-' || c == '+') && n == 0)
			;
		else if ((c == 'x' || c == 'X') && (base == 0 || base == 16) && digits == 1 && text[n - 1] == '0' &&
		    (n == 1 || !isdigit((unsigned char)text[n - 2])))
			base = 16;
		else {
			int d = isdigit(c) ? c - '0' : isalpha(c) ? (c | 0x20) - 'a' + 10 : 99;

			if (d >= (base == 0 ? 10 : base))
				break;
			if (base == 0 && digits == 0)
				base = c == '0' ? 0 : 10;
			else if (base == 0 && digits > 0 && d > 7)
				break;
			digits++;
		}
		text[n++] = (char)c;
		f->rp++;
	}
	text[n] = '\0';
	return (digits > 0 ? n : 0);
}

static size_t
take_float(FILE *f, char *text, size_t room, int width)
{
	size_t n = 0;
	int c, digits = 0, point = 0, ex = 0, hex = 0;

	for (; width > 0 && n < room - 1; width--) {
		c = peek(f);
		if (c == EOF)
			break;
		if (isdigit(c) || (hex && !ex && isxdigit(c)))
			digits++;
		else if ((c == '-' || c == '+') && (n == 0 || (ex && strchr("eEpP", text[n - 1]) != NULL)))
			;
		else if (c == '.' && !point && !ex)
			point = 1;
		else if ((c == 'x' || c == 'X') && digits == 1 && !point && !hex && text[n - 1] == '0')
			hex = 1;
		else if (!ex && digits > 0 && (hex ? (c | 0x20) == 'p' : (c | 0x20) == 'e'))
			ex = 1;
		else if (isalpha(c) && digits == 0 && !point && strchr("infatyINFATY", c) != NULL && n < 9)
			; /* inf, infinity, nan: checked by strtod */
		else
			break;
		text[n++] = (char)c;
		f->rp++;
	}
	text[n] = '\0';
	return (n);
}

int
vfscanf(FILE *f, const char *fmt, va_list ap)
{
	int done = 0, c;
	long read = 0;
	va_list args;

	va_copy(args, ap);
	lock(&f->lk);
	for (; *fmt != '\0'; fmt++) {
		int suppress = 0, width = 0, conv, base = 10;
		enum len len = NONE;
		char text[512], *out;
		size_t n;

		if (isspace((unsigned char)*fmt)) {
			while ((c = peek(f)) != EOF && isspace(c)) {
				f->rp++;
				read++;
			}
			continue;
		}
		if (*fmt != '%' || fmt[1] == '%') {
			if (*fmt == '%') {
				fmt++;
				while ((c = peek(f)) != EOF && isspace(c)) {
					f->rp++;
					read++;
				}
			}
			if ((c = peek(f)) == EOF)
				goto input;
			if (c != (unsigned char)*fmt)
				goto out;
			f->rp++;
			read++;
			continue;
		}
		fmt++;
		if (*fmt == '*') {
			suppress = 1;
			fmt++;
		}
		while (isdigit((unsigned char)*fmt) && width < 1000000)
			width = width * 10 + (*fmt++ - '0');
		switch (*fmt) {
		case 'h':
			len = *++fmt == 'h' ? (fmt++, HH) : H;
			break;
		case 'l':
			fmt += fmt[1] == 'l' ? 2 : 1;
			len = L;
			break;
		case 'q':
		case 'j':
		case 'z':
		case 't':
			len = L;
			fmt++;
			break;
		case 'L':
			len = LD;
			fmt++;
			break;
		}
		conv = *fmt;
		if (conv != 'c' && conv != '[' && conv != 'n') {
			while ((c = peek(f)) != EOF && isspace(c)) {
				f->rp++;
				read++;
			}
			if (c == EOF)
				goto input;
		}
		switch (conv) {
		case 'n':
			if (suppress)
				break;
			if (len == L)
				*va_arg(args, long *) = read;
			else if (len == H)
				*va_arg(args, short *) = (short)read;
			else if (len == HH)
				*va_arg(args, signed char *) = (signed char)read;
			else
				*va_arg(args, int *) = (int)read;
			break;
		case 'i':
			base = 0;
			goto integer;
		case 'o':
			base = 8;
			goto integer;
		case 'x':
		case 'X':
		case 'p':
			base = 16;
			goto integer;
		case 'd':
		case 'u':
		integer: {
			unsigned long v;

			n = take_int(f, text, width > 0 ? width : 200, base);
			read += (long)strlen(text);
			if (n == 0)
				goto out;
			v = conv == 'd' || conv == 'i' ? (unsigned long)strtol(text, NULL, base) : strtoul(text, NULL, base);
			if (suppress)
				break;
			if (conv == 'p')
				*va_arg(args, void **) = (void *)v;
			else if (len == L || len == LD)
				*va_arg(args, long *) = (long)v;
			else if (len == H)
				*va_arg(args, short *) = (short)v;
			else if (len == HH)
				*va_arg(args, signed char *) = (signed char)v;
			else
				*va_arg(args, int *) = (int)v;
			done++;
			break;
		}
		case 'a':
		case 'A':
		case 'e':
		case 'E':
		case 'f':
		case 'F':
		case 'g':
		case 'G': {
			char *end;
			long double v;

			n = take_float(f, text, sizeof(text), width > 0 ? width : (int)sizeof(text));
			read += (long)n;
			v = len == LD ? strtold(text, &end) : len == L ? strtod(text, &end) : strtof(text, &end);
			if (end == text || *end != '\0')
				goto out;
			if (suppress)
				break;
			if (len == LD)
				*va_arg(args, long double *) = v;
			else if (len == L)
				*va_arg(args, double *) = (double)v;
			else
				*va_arg(args, float *) = (float)v;
			done++;
			break;
		}
		case 'c':
			out = suppress ? NULL : va_arg(args, char *);
			if (width == 0)
				width = 1;
			if (peek(f) == EOF)
				goto input;
			for (; width > 0; width--) {
				if ((c = peek(f)) == EOF)
					goto out;
				if (out != NULL)
					*out++ = (char)c;
				f->rp++;
				read++;
			}
			done += !suppress;
			break;
		case 's':
		case '[': {
			unsigned char set[256];
			int any = 0;

			if (conv == 's') {
				for (int i = 0; i < 256; i++)
					set[i] = !isspace(i);
			} else {
				int negate = *++fmt == '^', first = 1;

				if (negate)
					fmt++;
				memset(set, negate, sizeof(set));
				for (; *fmt != '\0' && (*fmt != ']' || first); fmt++, first = 0) {
					if (fmt[1] == '-' && fmt[2] != ']' && fmt[2] != '\0') {
						for (int i = (unsigned char)fmt[0]; i <= (unsigned char)fmt[2]; i++)
							set[i] = !negate;
						fmt += 2;
					} else
						set[(unsigned char)*fmt] = !negate;
				}
				if (*fmt == '\0')
					goto out;
				if (peek(f) == EOF)
					goto input;
			}
			out = suppress ? NULL : va_arg(args, char *);
			if (width == 0)
				width = INT_MAX;
			for (; width > 0 && (c = peek(f)) != EOF && set[c]; width--) {
				if (out != NULL)
					*out++ = (char)c;
				f->rp++;
				read++;
				any = 1;
			}
			if (!any)
				goto out;
			if (out != NULL) {
				*out = '\0';
				done++;
			}
			break;
		}
		default:
			goto out;
		}
		continue;
	input:
		if (done == 0)
			done = EOF;
		break;
	}
out:
	unlock(&f->lk);
	va_end(args);
	return (done);
}

static ssize_t
no_more(FILE *f, void *p, size_t n)
{
	(void)f;
	(void)p;
	(void)n;
	return (0);
}

int
vsscanf(const char *s, const char *fmt, va_list ap)
{
	FILE f;

	memset(&f, 0, sizeof(f));
	f.flags = F_RD | F_STR;
	f.mode = _IOFBF;
	f.fd = -1;
	f.buf = f.rp = (unsigned char *)(uintptr_t)s;
	f.re = f.rp + strlen(s);
	f.bufsize = strlen(s) + 1;
	f.readfn = no_more;
	return (vfscanf(&f, fmt, ap));
}

int
vscanf(const char *fmt, va_list ap)
{
	return (vfscanf(stdin, fmt, ap));
}

#define VARIADIC(call)               \
	va_list ap;                  \
	int n;                       \
	va_start(ap, fmt);           \
	n = call;                    \
	va_end(ap);                  \
	return (n)

int
scanf(const char *fmt, ...)
{
	VARIADIC(vfscanf(stdin, fmt, ap));
}

int
fscanf(FILE *f, const char *fmt, ...)
{
	VARIADIC(vfscanf(f, fmt, ap));
}

int
sscanf(const char *s, const char *fmt, ...)
{
	VARIADIC(vsscanf(s, fmt, ap));
}
