#include <fcntl.h>
#include <unistd.h>
