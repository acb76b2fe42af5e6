/*
 * mem.c: memory of the shell.
 *
 * Trees live in reference-counted arenas. Everything that lives as long as one command lives in the
 * temporary arena, a stack that is released to a mark; a chunk is kept back so that loops do not
 * call malloc.
 */
#include "sh.h"
#include <stdlib.h>
#include <string.h>

#define CHUNK 4000

static struct chunk *tmp_head;
static struct chunk *spare;

void *sh_malloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (p == NULL)
		sh_error("out of memory");
	return p;
}

void *sh_realloc(void *p, size_t n)
{
	p = realloc(p, n ? n : 1);
	if (p == NULL)
		sh_error("out of memory");
	return p;
}

char *sh_strdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(sh_malloc(n), s, n);
}

static struct chunk *chunk_new(size_t n)
{
	struct chunk *c;

	if (n <= CHUNK && spare != NULL) {
		c = spare;
		spare = NULL;
	} else {
		size_t size = n > CHUNK ? n : CHUNK;

		c = sh_malloc(sizeof *c + size);
		c->size = size;
	}
	c->used = 0;
	c->next = NULL;
	return c;
}

static void chunk_free(struct chunk *c)
{
	if (spare == NULL && c->size == CHUNK)
		spare = c;
	else
		free(c);
}

static void *head_alloc(struct chunk **head, size_t n)
{
	char *p;

	n = (n + 15) & ~(size_t)15;
	if (*head == NULL || (*head)->size - (*head)->used < n) {
		struct chunk *c = chunk_new(n);

		c->next = *head;
		*head = c;
	}
	p = (char *)(*head)->data + (*head)->used;
	(*head)->used += n;
	return p;
}

struct arena *arena_new(void)
{
	struct arena *a = sh_malloc(sizeof *a);

	a->head = NULL;
	a->refs = 1;
	return a;
}

void arena_drop(struct arena *a)
{
	struct chunk *c;

	if (a == NULL || --a->refs > 0)
		return;
	while ((c = a->head) != NULL) {
		a->head = c->next;
		chunk_free(c);
	}
	free(a);
}

void *arena_alloc(struct arena *a, size_t n)
{
	return memset(head_alloc(&a->head, n), 0, n);
}

char *arena_strn(struct arena *a, const char *s, size_t n)
{
	char *p = head_alloc(&a->head, n + 1);

	memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

void *tmp_alloc(size_t n)
{
	return head_alloc(&tmp_head, n);
}

char *tmp_strn(const char *s, size_t n)
{
	char *p = tmp_alloc(n + 1);

	memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

char *tmp_str(const char *s)
{
	return tmp_strn(s, strlen(s));
}

struct mark tmp_mark(void)
{
	struct mark m = { tmp_head, tmp_head ? tmp_head->used : 0 };

	return m;
}

void tmp_release(struct mark m)
{
	while (tmp_head != m.chunk) {
		struct chunk *c = tmp_head;

		tmp_head = c->next;
		chunk_free(c);
	}
	if (tmp_head != NULL)
		tmp_head->used = m.used;
}

void sb_init(struct sbuf *b)
{
	b->s = NULL;
	b->len = b->cap = 0;
}

static void sb_grow(struct sbuf *b, size_t need)
{
	size_t cap = b->cap ? b->cap * 2 : 64;
	char *s;

	while (cap < need)
		cap *= 2;
	/* the last allocation of the chunk grows in place */
	if (b->s != NULL && tmp_head != NULL && b->s + b->cap == (char *)tmp_head->data + tmp_head->used &&
	    tmp_head->size - tmp_head->used >= cap - b->cap) {
		tmp_head->used += cap - b->cap;
		b->cap = cap;
		return;
	}
	s = tmp_alloc(cap);
	if (b->len)
		memcpy(s, b->s, b->len);
	b->s = s;
	b->cap = cap;
}

void sb_putc(struct sbuf *b, int c)
{
	if (b->len == b->cap)
		sb_grow(b, b->len + 1);
	b->s[b->len++] = (char)c;
}

void sb_putn(struct sbuf *b, const char *s, size_t n)
{
	if (n == 0)
		return;
	if (b->len + n > b->cap)
		sb_grow(b, b->len + n);
	memcpy(b->s + b->len, s, n);
	b->len += n;
}

void sb_puts(struct sbuf *b, const char *s)
{
	sb_putn(b, s, strlen(s));
}

char *sb_str(struct sbuf *b)
{
	sb_putc(b, '\0');
	b->len--;
	return b->s;
}
