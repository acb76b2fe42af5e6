#include "sh.h"
bool edit_usable(void) { return false; }
char *edit_line(const char *prompt) { (void)prompt; return NULL; }
