/* ELF64 as far as programs look at themselves. */
#ifndef _ELF_H_
#define _ELF_H_

#include <stdint.h>

typedef struct {
	unsigned char e_ident[16];
	uint16_t e_type;
	uint16_t e_machine;
	uint32_t e_version;
	uint64_t e_entry;
	uint64_t e_phoff;
	uint64_t e_shoff;
	uint32_t e_flags;
	uint16_t e_ehsize;
	uint16_t e_phentsize;
	uint16_t e_phnum;
	uint16_t e_shentsize;
	uint16_t e_shnum;
	uint16_t e_shstrndx;
} Elf64_Ehdr;
typedef struct {
	uint32_t p_type;
	uint32_t p_flags;
	uint64_t p_offset;
	uint64_t p_vaddr;
	uint64_t p_paddr;
	uint64_t p_filesz;
	uint64_t p_memsz;
	uint64_t p_align;
} Elf64_Phdr;
#define PT_LOAD 1
#define PT_NOTE 4
#define PT_TLS 7
#define AT_NULL 0
#define AT_PHDR 3
#define AT_PAGESZ 6
#define AT_EXECPATH 15
#define AT_OSRELDATE 18

#endif
