/*
 * ls: list directory contents. Counterpart: bin/ls.
 *
 * Options: -1 -A -a -C -c -d -F -f -G(ignored) -g(ignored) -H -h -i -k -L -l -m -n -o -P -p -q -R -r -S -s -T -t -U(ctime,
 * nothing here records births) -u -w -x -y. Printing is in ls_print.c.
 */
#include "ls.h"

struct ls_opts ls;
static int status;

static int
compare(const void *pa, const void *pb)
{
	const struct entry *a = *(struct entry *const *)pa, *b = *(struct entry *const *)pb;
	int c = 0;

	/* Names that could not be looked at come first, by name. */
	if (a->bad || b->bad) {
		if (a->bad != b->bad)
			return a->bad ? -1 : 1;
		return strcmp(a->name, b->name);
	}
	if (ls.sort == SORT_SIZE)
		c = a->st.st_size < b->st.st_size ? 1 : a->st.st_size > b->st.st_size ? -1 : 0;
	else if (ls.sort == SORT_TIME) {
		struct timespec ta = ls_time(a), tb = ls_time(b);

		c = ta.tv_sec != tb.tv_sec ? (ta.tv_sec < tb.tv_sec ? 1 : -1) :
		    ta.tv_nsec != tb.tv_nsec ? (ta.tv_nsec < tb.tv_nsec ? 1 : -1) : 0;
	}
	if (c == 0)
		c = strcmp(a->name, b->name);
	return ls.reverse ? -c : c;
}

struct timespec
ls_time(const struct entry *e)
{
	return ls.which_time == 'u' ? e->st.st_atim : ls.which_time == 'c' ? e->st.st_ctim : e->st.st_mtim;
}

static void
sort_entries(struct entry **v, size_t n)
{
	if (ls.sort != SORT_NONE && n > 1)
		qsort(v, n, sizeof(*v), compare);
}

/* A listing entry for `path` shown as `name`; NULL after a message. */
static struct entry *
look(const char *path, const char *name, bool follow)
{
	struct entry *e = xmalloc(sizeof(*e));
	char target[PATH_MAX];
	ssize_t n;

	memset(e, 0, sizeof(*e));
	e->name = xstrdup(name);
	if ((follow ? stat(path, &e->st) : -1) != 0 && lstat(path, &e->st) != 0) {
		warn("%s", path);
		status = 1;
		return NULL;
	}
	if (ls.lng && S_ISLNK(e->st.st_mode) && (n = readlink(path, target, sizeof(target))) >= 0)
		e->target = xstrndup(target, (size_t)n);
	return e;
}

static struct entry **
read_dir(const char *dir, size_t *count)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	struct entry **v = NULL;
	size_t n = 0, cap = 0;

	if (d == NULL) {
		warn("%s", dir);
		status = 1;
		return NULL;
	}
	for (errno = 0; (de = readdir(d)) != NULL; errno = 0) {
		struct entry *e;
		char *path;

		if (de->d_name[0] == '.' && (!ls.all || (ls.all == 'A' && IS_DOT(de->d_name))))
			continue;
		path = path_join(dir, de->d_name);
		e = look(path, de->d_name, ls.follow);
		free(path);
		if (e == NULL)
			continue;
		if (n == cap)
			v = xrealloc(v, (cap = cap ? cap * 2 : 64) * sizeof(*v));
		v[n++] = e;
	}
	if (errno != 0) {
		warn("%s", dir);
		status = 1;
	}
	closedir(d);
	*count = n;
	return v != NULL ? v : xmalloc(1);
}

/* Set once something was printed: later directories are set apart by an empty line and named. */
static bool printed;

static void
list_dir(const char *dir, bool title, int depth)
{
	size_t n = 0;
	struct entry **v;

	if (title)
		printf("%s%s:\n", printed ? "\n" : "", dir);
	printed = true;
	fflush(stdout);
	if ((v = read_dir(dir, &n)) == NULL)
		return;
	sort_entries(v, n);
	ls_print(v, n, true);
	if (!ls.recurse || depth > PATH_MAX / 2) {
		free(v);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		char *path;

		if (!S_ISDIR(v[i]->st.st_mode) || IS_DOT(v[i]->name))
			continue;
		path = path_join(dir, v[i]->name);
		list_dir(path, true, depth + 1);
		free(path);
	}
	free(v);
}

static void
options(int argc, char **argv)
{
	int ch;

	while ((ch = getopt(argc, argv, "1AaCcdFfGgHhikLlmnoPpqRrSsTtUuwxy")) != -1) {
		switch (ch) {
		case '1': ls.format = FMT_LINES; ls.lng = false; break;
		case 'C': ls.format = FMT_COLUMNS; ls.lng = false; break;
		case 'x': ls.format = FMT_ACROSS; ls.lng = false; break;
		case 'm': ls.format = FMT_STREAM; ls.lng = false; break;
		case 'l': ls.lng = true; break;
		case 'n': ls.lng = ls.numeric = true; break;
		case 'A': if (ls.all != 'a') ls.all = 'A'; break;
		case 'a': ls.all = 'a'; break;
		case 'f': ls.sort = SORT_NONE; ls.all = 'a'; break;
		case 'c':
		case 'U': ls.which_time = 'c'; break;
		case 'u': ls.which_time = 'u'; break;
		case 'd': ls.dirs_as_files = true; break;
		case 'F': ls.classify = true; break;
		case 'p': ls.slash = true; break;
		case 'G':
		case 'g':
		case 'y': break;
		case 'H': ls.follow_args = true; break;
		case 'L': ls.follow = ls.follow_args = true; break;
		case 'P': ls.follow = ls.follow_args = false; ls.physical = true; break;
		case 'h': ls.human = true; break;
		case 'i': ls.inode = true; break;
		case 'k': ls.kbytes = true; break;
		case 'o': ls.flags = true; break;
		case 'q': ls.hide = true; break;
		case 'w': ls.hide = false; break;
		case 'R': ls.recurse = true; break;
		case 'r': ls.reverse = true; break;
		case 'S': ls.sort = SORT_SIZE; break;
		case 's': ls.blocks = true; break;
		case 'T': ls.full_time = true; break;
		case 't': ls.sort = SORT_TIME; break;
		default: usage(1, "ls [-1AaCcdFfGgHhikLlmnoPpqRrSsTtUuwxy] [file ...]");
		}
	}
}

int
ls_main(int argc, char **argv)
{
	struct entry **files, **dirs;
	size_t nf = 0, nd = 0;
	bool tty = isatty(STDOUT_FILENO);

	ls.format = tty ? FMT_COLUMNS : FMT_LINES;
	ls.hide = tty;
	ls.sort = SORT_NAME;
	ls.all = getuid() == 0 ? 'A' : 0;
	options(argc, argv);
	ls.block = ls.kbytes ? 1024 : block_size(NULL);
	if (ls.dirs_as_files)
		ls.recurse = false;
	/* A link to a directory on the command line is entered, unless its own line was asked for. */
	if (!ls.lng && !ls.dirs_as_files && !ls.classify && !ls.physical)
		ls.follow_args = true;
	argc -= optind;
	argv += optind;
	if (argc == 0) {
		static char *dot[] = { ".", NULL };

		argv = dot;
		argc = 1;
	}
	files = xmalloc((size_t)argc * sizeof(*files));
	dirs = xmalloc((size_t)argc * sizeof(*dirs));
	for (int i = 0; i < argc; i++) {
		struct entry *e = look(argv[i], argv[i], ls.follow_args);

		if (e == NULL)
			continue;
		if (S_ISDIR(e->st.st_mode) && !ls.dirs_as_files)
			dirs[nd++] = e;
		else
			files[nf++] = e;
	}
	sort_entries(files, nf);
	sort_entries(dirs, nd);
	if (nf > 0) {
		ls_print(files, nf, false);
		printed = true;
	}
	for (size_t i = 0; i < nd; i++)
		list_dir(dirs[i]->name, argc > 1, 0);
	return finish(status);
}
