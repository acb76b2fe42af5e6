/*
 * du [-Aacghklmsx] [-d depth] [-H | -L | -P] [file ...]: disk usage. Counterpart: usr.bin/du.
 */
#include "util.h"

struct total {
	unsigned long long blocks; /* of 512 bytes */
};

struct seen {
	dev_t dev;
	ino_t ino;
	struct seen *next;
};

static bool apparent, all, grand, human, count_links, summary;
static long unit;
static long long max_depth = -1;
static int status;
static unsigned long long sum;

static void
show(unsigned long long blocks, const char *path)
{
	char buf[16];

	if (human) {
		humanize(buf, sizeof(buf), (long long)blocks * 512, false);
		printf("%s\t%s\n", buf, path);
	} else
		printf("%llu\t%s\n", (blocks * 512 + (unsigned long long)unit - 1) / (unsigned long long)unit, path);
}

static bool
seen_before(const struct stat *st)
{
	static struct seen *table[1024];
	struct seen **h = &table[(st->st_ino ^ st->st_dev) % NELEM(table)], *s;

	for (s = *h; s != NULL; s = s->next)
		if (s->ino == st->st_ino && s->dev == st->st_dev)
			return true;
	s = xmalloc(sizeof(*s));
	*s = (struct seen){ st->st_dev, st->st_ino, *h };
	*h = s;
	return false;
}

static int
visit(struct wnode *w, void *arg)
{
	struct total *t;
	unsigned long long blocks;

	(void)arg;
	switch (w->type) {
	case W_NOSTAT:
	case W_NOREAD:
		errno = w->error;
		warn("%s", w->path);
		status = 1;
		return WALK_GO;
	case W_CYCLE: return WALK_GO;
	default: break;
	}
	blocks = apparent ? ((unsigned long long)w->st.st_size + 511) / 512 : (unsigned long long)w->st.st_blocks;
	if (w->type == W_D) {
		t = xmalloc(sizeof(*t));
		t->blocks = blocks;
		w->data = t;
		return WALK_GO;
	}
	if (w->type == W_DP) {
		t = w->data;
		blocks = t->blocks;
		free(t);
		if (summary ? w->level == 0 : max_depth < 0 || w->level <= max_depth)
			show(blocks, w->path);
	} else {
		if (w->st.st_nlink > 1 && !count_links && seen_before(&w->st))
			return WALK_GO;
		if (w->level == 0 || (all && !summary && (max_depth < 0 || w->level <= max_depth)))
			show(blocks, w->path);
	}
	if (w->parent != NULL)
		((struct total *)w->parent->data)->blocks += blocks;
	else
		sum += blocks;
	return WALK_GO;
}

int
du_main(int argc, char **argv)
{
	static const char text[] = "du [-Aaclsx] [-d depth] [-g | -h | -k | -m] [-H | -L | -P] [file ...]";
	int ch, flags = WALK_POST | WALK_SORT;

	unit = block_size(NULL);
	while ((ch = getopt(argc, argv, "AHLPacd:ghklmnrsx")) != -1) {
		switch (ch) {
		case 'A': apparent = true; break;
		case 'H': flags = (flags & ~WALK_LOGICAL) | WALK_COMFOLLOW; break;
		case 'L': flags = (flags & ~WALK_COMFOLLOW) | WALK_LOGICAL; break;
		case 'P': flags &= ~(WALK_COMFOLLOW | WALK_LOGICAL); break;
		case 'a': all = true; break;
		case 'c': grand = true; break;
		case 'd': max_depth = parse_num(optarg, 0, INT_MAX, "invalid argument to option d"); break;
		case 'g': unit = 1 << 30; human = false; break;
		case 'h': human = true; break;
		case 'k': unit = 1024; human = false; break;
		case 'l': count_links = true; break;
		case 'm': unit = 1 << 20; human = false; break;
		case 'n':
		case 'r': break;
		case 's': summary = true; break;
		case 'x': flags |= WALK_XDEV; break;
		default: usage(EXIT_USAGE, text);
		}
	}
	if (all && summary)
		usage(EXIT_USAGE, text);
	if (optind == argc)
		walk(".", flags, visit, NULL);
	for (int i = optind; i < argc; i++)
		walk(argv[i], flags, visit, NULL);
	if (grand)
		show(sum, "total");
	return finish(status);
}
