/*
 * sync: schedule the file systems' writes. Counterpart: bin/sync.
 */
#include "util.h"

int
sync_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	sync();
	return 0;
}
