#!/usr/bin/env python3
"""Pack the guest's root into a ustar archive: directories, /etc, and the crunched binary under all its names.

The archive is a function of its inputs alone: fixed times, sorted members, root:wheel everywhere. The binary is
stored once, as /rescue/base; every command is a hard link to it.
"""
import argparse
import io
import os
import re
import tarfile

MTIME = 1767225600  # 2026-01-01 00:00:00 UTC

DIRECTORIES = [
    ('.', 0o755), ('bin', 0o755), ('boot', 0o755), ('dev', 0o755), ('etc', 0o755), ('home', 0o755),
    ('libexec', 0o755), ('mnt', 0o755), ('proc', 0o555), ('rescue', 0o755), ('root', 0o700), ('sbin', 0o755),
    ('tmp', 0o1777), ('usr', 0o755), ('usr/bin', 0o755), ('usr/lib', 0o755), ('usr/libexec', 0o755),
    ('usr/local', 0o755), ('usr/local/bin', 0o755), ('usr/local/sbin', 0o755), ('usr/sbin', 0o755),
    ('usr/share', 0o755), ('usr/share/zoneinfo', 0o755), ('usr/tests', 0o755), ('var', 0o755), ('var/db', 0o755),
    ('var/empty', 0o555), ('var/log', 0o755), ('var/mail', 0o775), ('var/run', 0o755), ('var/tmp', 0o1777),
]
FILE_MODES = {'etc/master.passwd': 0o600, 'etc/rc': 0o755, 'etc/rc.shutdown': 0o755}
SYMLINKS = [('usr/tmp', '../var/tmp')]


def member(name, mode, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = mode
    info.mtime = MTIME
    info.uname, info.gname = 'root', 'wheel'
    return info


def main():
    parser = argparse.ArgumentParser()
    for flag in ('binary', 'symbols', 'applets', 'etc', 'output'):
        parser.add_argument('--' + flag, required=True)
    args = parser.parse_args()

    with open(args.symbols) as f:
        linked = {line.split()[-1] for line in f if line.strip()}
    with open(args.applets) as f:
        table = f.read()
    applets = [(name + '_main', path) for name, path in re.findall(r'^APPLET\((\w+),\s*"([^"]+)"\)', table, re.M)]
    applets += [(main, path) for path, main in re.findall(r'^APPLET_AS\("[^"]+",\s*"([^"]+)",\s*(\w+)\)', table, re.M)]

    temporary = args.output + '.tmp'
    with tarfile.open(temporary, 'w', format=tarfile.USTAR_FORMAT) as tar:
        for name, mode in DIRECTORIES:
            tar.addfile(member(name, mode, tarfile.DIRTYPE))
        for name, target in SYMLINKS:
            info = member(name, 0o777, tarfile.SYMTYPE)
            info.linkname = target
            tar.addfile(info)
        with open(args.binary, 'rb') as f:
            data = f.read()
        info = member('rescue/base', 0o555)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
        for name, path in sorted(applets, key=lambda a: a[1]):
            if name in linked:
                info = member(path.lstrip('/'), 0o555, tarfile.LNKTYPE)
                info.linkname = 'rescue/base'
                tar.addfile(info)
        for name in sorted(os.listdir(args.etc)):
            source = os.path.join(args.etc, name)
            if name.startswith('.') or not os.path.isfile(source):
                continue
            with open(source, 'rb') as f:
                data = f.read()
            where = 'root/.profile' if name == 'root.profile' else 'etc/' + name
            info = member(where, FILE_MODES.get(where, 0o644))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    os.replace(temporary, args.output)


main()
