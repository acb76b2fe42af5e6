/*
 * options.c: the shell's options, by letter and by name, for the command line and for set.
 */
#include "sh.h"
#include <string.h>

unsigned char optv[128];

static const struct {
	const char *name;
	char letter;
} names[] = {
	{ "allexport", 'a' }, { "notify", 'b' }, { "noclobber", 'C' }, { "errexit", 'e' }, { "noglob", 'f' },
	{ "hashall", 'h' }, { "interactive", 'i' }, { "monitor", 'm' }, { "noexec", 'n' }, { "stdin", 's' },
	{ "nounset", 'u' }, { "verbose", 'v' }, { "xtrace", 'x' }, { "ignoreeof", 'I' }, { "nolog", 'q' },
	{ "pipefail", 'P' }, { "vi", 'V' }, { "emacs", 'E' },
};
#define NNAMES (sizeof names / sizeof *names)

char *opt_flags(char *buf)
{
	static const char letters[] = "abCefhimnsuvx";
	const char *l;
	char *p = buf;

	for (l = letters; *l; l++)
		if (optv[(int)*l])
			*p++ = *l;
	*p = '\0';
	return buf;
}

void opt_list(bool reinput)
{
	size_t i;

	if (!reinput)
		out_s("Current option settings\n");
	for (i = 0; i < NNAMES; i++) {
		bool on = optv[(int)names[i].letter];

		if (reinput)
			out_f("set %co %s\n", on ? '-' : '+', names[i].name);
		else
			out_f("%-16s%s\n", names[i].name, on ? "on" : "off");
	}
}

int opt_named(const char *name, bool on)
{
	size_t i;

	for (i = 0; i < NNAMES; i++) {
		if (strcmp(names[i].name, name) == 0) {
			optv[(int)names[i].letter] = on;
			return 0;
		}
	}
	return -1;
}

/*
 * Take the option argument argv[*i] (and for -o its name after it). Answers 1 when it was one,
 * 0 when options end, with *i on the first operand, and -1 for an unknown option.
 */
int opt_parse(char **argv, int *i, bool set)
{
	char *s = argv[*i];
	bool on;

	if (s == NULL || (s[0] != '-' && s[0] != '+') || s[1] == '\0')
		return 0;
	if (strcmp(s, "--") == 0) {
		++*i;
		return 0;
	}
	on = s[0] == '-';
	while (*++s) {
		if (*s == 'o') {
			char *name = argv[*i + 1];

			if (name == NULL) {
				opt_list(!on);
				continue;
			}
			++*i;
			if (opt_named(name, on) < 0) {
				sh_warn("%s: unknown option name", name);
				return -1;
			}
		} else if (strchr(set ? "abCefhmnuvxEVI" : "abCcefhimnsuvxlEVI", *s) != NULL) {
			optv[(int)*s] = on;
		} else {
			sh_warn("unknown option %c%c", on ? '-' : '+', *s);
			return -1;
		}
	}
	++*i;
	return 1;
}

/* Options that change how the process behaves. */
void opt_changed(void)
{
	if ((optv['m'] != 0) != sh.jobctl && sh.subshell == 0)
		jobctl_set(optv['m'] != 0);
}

int bi_set(int argc, char **argv)
{
	int i = 1, r;

	if (argc == 1) {
		var_print(V_SET, "");
		return 0;
	}
	while ((r = opt_parse(argv, &i, true)) > 0)
		;
	if (r < 0)
		sh_throw((sh.status = 2, EXC_ERROR));
	opt_changed();
	if (argv[i] != NULL && i > 0 && strcmp(argv[i - 1], "--") != 0 && i == 1 && strcmp(argv[i], "-") == 0) {
		optv['x'] = optv['v'] = 0;
		if (argv[++i] == NULL)
			return 0;
	}
	if (i < argc || strcmp(argv[i - 1], "--") == 0)
		params_set(argv + i, argc - i);
	return 0;
}

int bi_shift(int argc, char **argv)
{
	int n = 1;

	if (argc > 1) {
		char *end;

		n = (int)arith_number(argv[1], &end);
		if (*end != '\0' || end == argv[1])
			sh_error("shift: bad number: %s", argv[1]);
	}
	if (n > sh.params.n)
		sh_error("shift: can't shift that many");
	sh.params.v += n;
	sh.params.n -= n;
	sh.getopts_pos = 0;
	return 0;
}

static void set_optarg(const char *s)
{
	if (s == NULL)
		var_unset("OPTARG");
	else
		var_set("OPTARG", s, 0);
}

int bi_getopts(int argc, char **argv)
{
	const char *opts, *o;
	char **v, *arg, letter[2] = { 0, 0 }, num[24], *end;
	int n, ind;
	bool quiet;

	if (argc < 3)
		return sh_fail(2, "usage: getopts optstring name [arg ...]");
	opts = argv[1];
	quiet = *opts == ':';
	if (quiet)
		opts++;
	v = argc > 3 ? argv + 3 : sh.params.v;
	n = argc > 3 ? argc - 3 : sh.params.n;
	ind = var_get("OPTIND") ? (int)arith_number(var_get("OPTIND"), &end) : 1;
	if (ind < 1)
		ind = 1;
	if (ind > n + 1)
		ind = n + 1;
	arg = ind <= n ? v[ind - 1] : NULL;
	if (sh.getopts_pos == 0) {
		if (arg == NULL || arg[0] != '-' || arg[1] == '\0' || strcmp(arg, "--") == 0) {
			if (arg != NULL && strcmp(arg, "--") == 0)
				ind++;
			var_set("OPTIND", num_str(num + sizeof num, ind), 0);
			set_optarg(NULL);
			var_set(argv[2], "?", 0);
			return 1;
		}
		sh.getopts_pos = 1;
	}
	letter[0] = arg[sh.getopts_pos++];
	o = letter[0] == ':' ? NULL : strchr(opts, letter[0]);
	n = sh.getopts_pos; /* assigning OPTIND resets it */
	if (o == NULL) {
		if (arg[n] == '\0')
			ind++, n = 0;
		if (quiet)
			set_optarg(letter);
		else {
			err_f("%s: Illegal option -%s\n", sh.arg0, letter);
			set_optarg(NULL);
		}
		letter[0] = '?';
	} else if (o[1] == ':') {
		int total = argc > 3 ? argc - 3 : sh.params.n;

		if (arg[n] != '\0') {
			set_optarg(arg + n);
		} else if (ind < total) {
			set_optarg(v[ind++]);
		} else if (quiet) {
			set_optarg(letter);
			letter[0] = ':';
		} else {
			err_f("%s: No arg for -%s option\n", sh.arg0, letter);
			set_optarg(NULL);
			letter[0] = '?';
		}
		ind++;
		n = 0;
	} else {
		set_optarg(NULL);
		if (arg[n] == '\0')
			ind++, n = 0;
	}
	var_set("OPTIND", num_str(num + sizeof num, ind), 0);
	sh.getopts_pos = n;
	var_set(argv[2], letter, 0);
	return 0;
}

/* getopt for builtins. */
int og_next(struct optget *g, int argc, char **argv, const char *opts)
{
	const char *o, *s;

	if (g->i == 0)
		g->i = 1;
	if (g->pos == 0) {
		if (g->i >= argc || argv[g->i][0] != '-' || argv[g->i][1] == '\0')
			return -1;
		if (strcmp(argv[g->i], "--") == 0) {
			g->i++;
			return -1;
		}
		g->pos = 1;
	}
	s = argv[g->i];
	o = strchr(opts, s[g->pos]);
	if (o == NULL || s[g->pos] == ':') {
		sh_warn("%s: unknown option -%c", argv[0], s[g->pos]);
		return '?';
	}
	g->pos++;
	if (o[1] == ':') {
		if (s[g->pos] != '\0') {
			g->arg = argv[g->i++] + g->pos;
		} else if (g->i + 1 < argc) {
			g->arg = argv[g->i + 1];
			g->i += 2;
		} else {
			sh_warn("%s: -%c needs an argument", argv[0], *o);
			return '?';
		}
		g->pos = 0;
	} else if (s[g->pos] == '\0') {
		g->pos = 0;
		g->i++;
	}
	return (unsigned char)*o;
}
