/*
 * false: fail with 1. Counterpart: usr.bin/false.
 */
int false_main(int argc, char **argv);

int
false_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 1;
}
