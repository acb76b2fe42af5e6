#include <sys/kinfo.h>
