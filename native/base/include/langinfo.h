#ifndef _LANGINFO_H_
#define _LANGINFO_H_

typedef int nl_item;
#define CODESET 0
#define D_T_FMT 1
#define D_FMT 2
#define T_FMT 3
#define YESEXPR 54
#define NOEXPR 55
char *nl_langinfo(nl_item);

#endif
