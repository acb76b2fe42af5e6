/* The smallest program: one line, status 0. */
#include <stdio.h>

int
main(int argc, char **argv)
{
	printf("hello, world (%d argument%s, I am %s)\n", argc, argc == 1 ? "" : "s", argv[0]);
	return (0);
}
