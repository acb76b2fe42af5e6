/*
 * true: succeed. Counterpart: usr.bin/true.
 */
int true_main(int argc, char **argv);

int
true_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 0;
}
