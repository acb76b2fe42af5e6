/*
 * alias.c: the alias table. An alias is busy while its text is being read, and does not expand then;
 * one that is removed while busy is freed when its text ends.
 */
#include "sh.h"
#include <stdlib.h>
#include <string.h>

static struct alias *aliases; /* sorted by name */

static struct alias **slot(const char *name)
{
	struct alias **p = &aliases;

	while (*p != NULL && strcmp((*p)->name, name) < 0)
		p = &(*p)->next;
	return p;
}

static struct alias *lookup(const char *name)
{
	struct alias *a = *slot(name);

	return a != NULL && strcmp(a->name, name) == 0 ? a : NULL;
}

struct alias *alias_find(const char *name)
{
	struct alias *a;

	if (aliases == NULL)
		return NULL;
	a = lookup(name);
	return a != NULL && !a->busy ? a : NULL;
}

static void alias_free(struct alias *a)
{
	if (a->busy) {
		a->dead = true;
		return;
	}
	free(a->name);
	free(a->value);
	free(a);
}

void alias_unbusy(struct alias *a)
{
	a->busy = false;
	if (a->dead)
		alias_free(a);
}

static void alias_remove(struct alias **p)
{
	struct alias *a = *p;

	*p = a->next;
	alias_free(a);
}

static void alias_show(const struct alias *a)
{
	out_f("%s=", a->name);
	out_quoted(a->value);
	out_c('\n');
}

int bi_alias(int argc, char **argv)
{
	struct alias *a;
	int i = 1, status = 0;

	if (argc > 1 && strcmp(argv[1], "--") == 0)
		i++;
	if (i >= argc) {
		for (a = aliases; a != NULL; a = a->next)
			alias_show(a);
		return 0;
	}
	for (; i < argc; i++) {
		char *eq = strchr(argv[i], '=');
		struct alias **p;

		if (eq == NULL || eq == argv[i]) {
			a = lookup(argv[i]);
			if (a == NULL)
				status = sh_fail(1, "alias: %s: not found", argv[i]);
			else
				alias_show(a);
			continue;
		}
		*eq = '\0';
		p = slot(argv[i]);
		if (*p != NULL && strcmp((*p)->name, argv[i]) == 0)
			alias_remove(p);
		a = sh_malloc(sizeof *a);
		a->name = sh_strdup(argv[i]);
		a->value = sh_strdup(eq + 1);
		a->busy = a->dead = false;
		a->next = *p;
		*p = a;
		*eq = '=';
	}
	return status;
}

int bi_unalias(int argc, char **argv)
{
	struct optget g = { 0 };
	int c, status = 0;

	while ((c = og_next(&g, argc, argv, "a")) != -1) {
		if (c == '?')
			return 2;
		while (aliases != NULL)
			alias_remove(&aliases);
		return 0;
	}
	for (; g.i < argc; g.i++) {
		struct alias **p = slot(argv[g.i]);

		if (*p == NULL || strcmp((*p)->name, argv[g.i]) != 0)
			status = sh_fail(1, "unalias: %s: not found", argv[g.i]);
		else
			alias_remove(p);
	}
	return status;
}
