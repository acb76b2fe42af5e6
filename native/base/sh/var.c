/*
 * var.c: variables, their environment form, function-local scopes and positional parameters.
 *
 * A local scope is a stack of saved variables; leaving it puts back what was there. The same stack
 * serves assignments before a function or builtin. IFS and PATH are looked at on every change
 * because field splitting and the command hash depend on them.
 */
#include "sh.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NBUCKET 64

struct saved {
	struct saved *next;
	struct var *var;
	char *value;
	int flags, level;
};

static struct var *table[NBUCKET];
static struct saved *locals;
static int level;
static const char *ifs = " \t\n";

static unsigned bucket(const char *name)
{
	unsigned h = 5381;

	for (; *name && *name != '='; name++)
		h = h * 33 + (unsigned char)*name;
	return h % NBUCKET;
}

struct var *var_find(const char *name)
{
	struct var *v;

	for (v = table[bucket(name)]; v != NULL; v = v->next)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

static struct var *intern(const char *name)
{
	struct var *v = var_find(name);

	if (v == NULL) {
		unsigned b = bucket(name);

		v = sh_malloc(sizeof *v);
		v->name = sh_strdup(name);
		v->value = NULL;
		v->flags = 0;
		v->next = table[b];
		table[b] = v;
	}
	return v;
}

static void changed(struct var *v)
{
	switch (v->name[0]) {
	case 'I':
		if (strcmp(v->name, "IFS") == 0)
			ifs = v->value ? v->value : " \t\n";
		break;
	case 'P':
		if (strcmp(v->name, "PATH") == 0)
			hash_clear();
		break;
	case 'O':
		if (strcmp(v->name, "OPTIND") == 0)
			sh.getopts_pos = 0;
		break;
	}
}

const char *var_ifs(void)
{
	return ifs;
}

const char *var_get(const char *name)
{
	struct var *v = var_find(name);
	static char line[24];

	if (v == NULL || !(v->flags & V_SET))
		return NULL;
	if (name[0] == 'L' && strcmp(name, "LINENO") == 0 && (v->value == NULL || *v->value == '\0'))
		return num_str(line + sizeof line, sh.lineno);
	return v->value;
}

bool var_try_set(const char *name, const char *value, int flags)
{
	struct var *v = intern(name);
	char *copy;

	if (value != NULL && (v->flags & V_READONLY))
		return false;
	if (value != NULL) {
		copy = sh_strdup(value);
		free(v->value);
		v->value = copy;
		v->flags |= V_SET;
		if (optv['a'])
			v->flags |= V_EXPORT;
		changed(v);
	}
	v->flags |= flags;
	return true;
}

void var_set(const char *name, const char *value, int flags)
{
	if (!var_try_set(name, value, flags))
		sh_error("%s: is read only", name);
}

int var_unset(const char *name)
{
	struct var *v = var_find(name);

	if (v == NULL)
		return 0;
	if (v->flags & V_READONLY)
		return -1;
	free(v->value);
	v->value = NULL;
	v->flags = 0;
	changed(v);
	return 0;
}

void var_init(char **envp)
{
	char buf[24];

	for (; envp != NULL && *envp != NULL; envp++) {
		size_t n = name_len(*envp);
		struct mark m = tmp_mark();

		if (n > 0 && (*envp)[n] == '=')
			var_set(tmp_strn(*envp, n), *envp + n + 1, V_EXPORT);
		tmp_release(m);
	}
	var_set("IFS", " \t\n", 0);
	var_find("IFS")->flags &= ~V_EXPORT;
	var_set("OPTIND", "1", 0);
	var_set("LINENO", "", 0);
	var_set("PPID", num_str(buf + sizeof buf, (long)getppid()), 0);
	if (var_get("PATH") == NULL)
		var_set("PATH", "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin", 0);
	if (var_get("PS1") == NULL)
		var_set("PS1", geteuid() == 0 ? "# " : "$ ", 0);
	if (var_get("PS2") == NULL)
		var_set("PS2", "> ", 0);
	if (var_get("PS4") == NULL)
		var_set("PS4", "+ ", 0);
}

/* The environment of a command: exported variables, overlaid by extra. */
char **var_environ(char **extra, int nextra)
{
	size_t n = (size_t)nextra, k = 0;
	struct var *v;
	char **env;
	int b, i;

	for (b = 0; b < NBUCKET; b++)
		for (v = table[b]; v != NULL; v = v->next)
			n += (v->flags & (V_EXPORT | V_SET)) == (V_EXPORT | V_SET);
	env = tmp_alloc((n + 1) * sizeof *env);
	for (b = 0; b < NBUCKET; b++) {
		for (v = table[b]; v != NULL; v = v->next) {
			size_t nl, vl;

			if ((v->flags & (V_EXPORT | V_SET)) != (V_EXPORT | V_SET))
				continue;
			nl = strlen(v->name);
			for (i = 0; i < nextra; i++)
				if (strncmp(extra[i], v->name, nl) == 0 && extra[i][nl] == '=')
					break;
			if (i < nextra)
				continue;
			vl = strlen(v->value);
			env[k] = tmp_alloc(nl + vl + 2);
			memcpy(env[k], v->name, nl);
			env[k][nl] = '=';
			memcpy(env[k] + nl + 1, v->value, vl + 1);
			k++;
		}
	}
	for (i = 0; i < nextra; i++) {
		int j;
		size_t nl = name_len(extra[i]);

		for (j = i + 1; j < nextra; j++) /* the last assignment of a name counts */
			if (strncmp(extra[j], extra[i], nl + 1) == 0)
				break;
		if (j == nextra)
			env[k++] = extra[i];
	}
	env[k] = NULL;
	return env;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct var *const *)a)->name, (*(struct var *const *)b)->name);
}

/* List the variables that have any of flags, sorted; prefix is "export " and such. */
void var_print(int flags, const char *prefix)
{
	struct mark m = tmp_mark();
	struct var *v, **list;
	size_t n = 0, i;
	int b;

	for (b = 0; b < NBUCKET; b++)
		for (v = table[b]; v != NULL; v = v->next)
			n++;
	list = tmp_alloc((n + 1) * sizeof *list);
	for (n = 0, b = 0; b < NBUCKET; b++)
		for (v = table[b]; v != NULL; v = v->next)
			if (v->flags & flags)
				list[n++] = v;
	qsort(list, n, sizeof *list, by_name);
	for (i = 0; i < n; i++) {
		out_s(prefix);
		out_s(list[i]->name);
		if (list[i]->flags & V_SET) {
			out_c('=');
			out_quoted(var_get(list[i]->name));
		}
		out_c('\n');
	}
	tmp_release(m);
}

int local_level(void)
{
	return level;
}

int local_push(void)
{
	return level++;
}

/* Save a variable in the innermost scope; its value stays until it is assigned. */
void local_add(const char *name)
{
	struct var *v = intern(name);
	struct saved *s;

	for (s = locals; s != NULL && s->level == level; s = s->next)
		if (s->var == v)
			return;
	s = sh_malloc(sizeof *s);
	s->var = v;
	s->value = v->value ? sh_strdup(v->value) : NULL;
	s->flags = v->flags;
	s->level = level;
	s->next = locals;
	locals = s;
}

void local_pop_to(int to)
{
	struct saved *s;

	while ((s = locals) != NULL && s->level > to) {
		locals = s->next;
		free(s->var->value);
		s->var->value = s->value;
		s->var->flags = s->flags;
		changed(s->var);
		free(s);
	}
	level = to;
}

/* Special and positional parameters; NULL when unset. buf has 32 bytes. */
const char *param_special(const char *name, char *buf)
{
	char *end = buf + 32;

	switch (name[0]) {
	case '#': return num_str(end, sh.params.n);
	case '?': return num_str(end, sh.status);
	case '$': return num_str(end, (long)sh.pid);
	case '!': return sh.bgpid ? num_str(end, (long)sh.bgpid) : NULL;
	case '-': return opt_flags(buf);
	case '0':
		if (name[1] == '\0')
			return sh.arg0;
	}
	{
		int n = 0;

		for (; *name; name++) {
			n = n * 10 + (*name - '0');
			if (n > sh.params.n)
				return NULL;
		}
		return n == 0 ? sh.arg0 : sh.params.v[n - 1];
	}
}

void params_free(struct params *p)
{
	int i;

	if (p->base == NULL)
		return;
	for (i = 0; i < p->nbase; i++)
		free(p->base[i]);
	free(p->base);
	p->base = NULL;
}

/* Replace the positional parameters by copies. The strings may be current parameters. */
void params_set(char **v, int n)
{
	struct params old = sh.params;
	char **base = sh_malloc(((size_t)n + 1) * sizeof *base);
	int i;

	for (i = 0; i < n; i++)
		base[i] = sh_strdup(v[i]);
	base[n] = NULL;
	sh.params.n = sh.params.nbase = n;
	sh.params.v = sh.params.base = base;
	params_free(&old);
	sh.getopts_pos = 0;
}
