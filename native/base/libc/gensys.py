#!/usr/bin/env python3
"""Generate <sys/syscall.h> and the system call stubs from syscalls.tbl.

Every stub keeps the shape `mov $imm32,%eax; syscall` (b8 imm32 0f 05): the kernel patches exactly these seven
bytes at a site's first trap. Errors come back with the carry flag set and a positive errno in rax.
"""
import os
import sys


def main():
    table, header, stubs = sys.argv[1:4]
    rows = []
    for line in open(table):
        fields = line.split('#')[0].split()
        if fields:
            rows.append((int(fields[0]), fields[1], fields[2] if len(fields) > 2 else ''))
    os.makedirs(os.path.dirname(header), exist_ok=True)
    with open(header, 'w') as out:
        out.write('/* Generated from syscalls.tbl; do not edit. */\n#ifndef _SYS_SYSCALL_H_\n#define _SYS_SYSCALL_H_\n\n')
        for number, name, _ in rows:
            out.write(f'#define SYS_{name} {number}\n')
        out.write('\n#endif\n')
    with open(stubs, 'w') as out:
        out.write('/* Generated from syscalls.tbl; do not edit. */\n')
        for number, name, kind in rows:
            if kind == 'none':
                continue
            out.write(f'\t.section .text.sys.{name},"ax",@progbits\n\t.p2align 4\n')
            out.write(f'\t.globl __sys_{name}\n\t.type __sys_{name},@function\n')
            if kind == '':
                out.write(f'\t.weak {name}\n\t.type {name},@function\n{name}:\n')
            out.write(f'__sys_{name}:\n\tmov %rcx,%r10\n\tmov ${number},%eax\n\tsyscall\n\tjb __cerror\n\tret\n')
            out.write(f'\t.size __sys_{name},.-__sys_{name}\n')
        out.write('\t.section .note.GNU-stack,"",@progbits\n')


main()
