/*
 * Host files, directories and terminals for TypeScript: thin, synchronous, -errno results.
 *
 * Names are single path components in latin1 (one character a byte); everything goes through directory descriptors
 * and never follows a symbolic link, so a mount cannot be left.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <string>

#include "host.h"

namespace {

Napi::Value Result(const Napi::CallbackInfo &info, int64_t r) {
  return Napi::Number::New(info.Env(), static_cast<double>(r < 0 ? -errno : r));
}

int Fd(const Napi::CallbackInfo &info, size_t i) { return info[i].As<Napi::Number>().Int32Value(); }

std::string Latin1(const Napi::CallbackInfo &info, size_t i) {
  napi_env env = info.Env();
  size_t len = 0;
  if (napi_get_value_string_latin1(env, info[i], nullptr, 0, &len) != napi_ok)
    throw Napi::TypeError::New(env, "string expected");
  std::string s(len + 1, '\0');
  napi_get_value_string_latin1(env, info[i], &s[0], len + 1, &len);
  s.resize(len);
  return s;
}

/** A path component; false (errno set) for anything that could leave the directory. */
bool Component(const std::string &s) {
  if (s.empty() || s == "." || s == ".." || s.find('/') != std::string::npos || s.find('\0') != std::string::npos) {
    errno = EINVAL;
    return false;
  }
  return true;
}

struct Bytes {
  uint8_t *p;
  size_t n;
};
Bytes Buf(const Napi::CallbackInfo &info, size_t i) {
  if (!info[i].IsTypedArray()) throw Napi::TypeError::New(info.Env(), "Uint8Array expected");
  Napi::TypedArray a = info[i].As<Napi::TypedArray>();
  return {static_cast<uint8_t *>(a.ArrayBuffer().Data()) + a.ByteOffset(), a.ByteLength()};
}

/** Into doubles: dev ino mode nlink uid gid size blocks, then seconds and ns of atime, mtime, ctime. */
void PutStat(double *d, const struct stat &s) {
  d[0] = static_cast<double>(s.st_dev);
  d[1] = static_cast<double>(s.st_ino);
  d[2] = s.st_mode;
  d[3] = static_cast<double>(s.st_nlink);
  d[4] = s.st_uid;
  d[5] = s.st_gid;
  d[6] = static_cast<double>(s.st_size);
  d[7] = static_cast<double>(s.st_blocks);
  const timespec *t[] = {&s.st_atim, &s.st_mtim, &s.st_ctim};
  for (int i = 0; i < 3; i++) {
    d[8 + 2 * i] = static_cast<double>(t[i]->tv_sec);
    d[9 + 2 * i] = static_cast<double>(t[i]->tv_nsec);
  }
}

double *Doubles(const Napi::CallbackInfo &info, size_t i) {
  Bytes b = Buf(info, i);
  if (b.n < 14 * sizeof(double)) throw Napi::TypeError::New(info.Env(), "Float64Array(14) expected");
  return reinterpret_cast<double *>(b.p);
}

/** openRoot(path): an existing directory, by any path of the host. */
Napi::Value OpenRoot(const Napi::CallbackInfo &info) {
  std::string path = info[0].As<Napi::String>().Utf8Value();
  return Result(info, open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

Napi::Value Fstat(const Napi::CallbackInfo &info) {
  struct stat s;
  int r = fstat(Fd(info, 0), &s);
  if (r == 0) PutStat(Doubles(info, 1), s);
  return Result(info, r);
}

Napi::Value Lstatat(const Napi::CallbackInfo &info) {
  std::string name = Latin1(info, 1);
  struct stat s;
  int r = Component(name) ? fstatat(Fd(info, 0), name.c_str(), &s, AT_SYMLINK_NOFOLLOW) : -1;
  if (r == 0) PutStat(Doubles(info, 2), s);
  return Result(info, r);
}

Napi::Value OpenDirAt(const Napi::CallbackInfo &info) {
  std::string name = Latin1(info, 1);
  return Result(info, Component(name)
                          ? openat(Fd(info, 0), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                          : -1);
}

/** openFileAt(dir, name, flags: 1 write, 2 create exclusively, mode): regular files only; never sleeps on a fifo. */
Napi::Value OpenFileAt(const Napi::CallbackInfo &info) {
  int dir = Fd(info, 0), flags = Fd(info, 2);
  std::string name = Latin1(info, 1);
  if (!Component(name)) return Result(info, -1);
  int o = ((flags & 1) != 0 ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  struct stat s;
  if ((flags & 2) != 0) {
    o |= O_CREAT | O_EXCL;
  } else {
    /* Opening a device may do things: look first. */
    if (fstatat(dir, name.c_str(), &s, AT_SYMLINK_NOFOLLOW) != 0) return Result(info, -1);
    if (S_ISLNK(s.st_mode)) errno = ELOOP;
    if (S_ISDIR(s.st_mode)) errno = EISDIR;
    if (!S_ISREG(s.st_mode)) {
      if (!S_ISLNK(s.st_mode) && !S_ISDIR(s.st_mode)) errno = EOPNOTSUPP;
      return Result(info, -1);
    }
  }
  int fd = openat(dir, name.c_str(), o, static_cast<mode_t>(Fd(info, 3) & 07777));
  if (fd >= 0 && (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode))) {
    close(fd);
    errno = EOPNOTSUPP;
    fd = -1;
  }
  return Result(info, fd);
}

Napi::Value Pread(const Napi::CallbackInfo &info) {
  Bytes b = Buf(info, 1);
  ssize_t n;
  do n = pread(Fd(info, 0), b.p, b.n, info[2].As<Napi::Number>().Int64Value());
  while (n < 0 && errno == EINTR);
  return Result(info, n);
}
Napi::Value Pwrite(const Napi::CallbackInfo &info) {
  Bytes b = Buf(info, 1);
  ssize_t n;
  do n = pwrite(Fd(info, 0), b.p, b.n, info[2].As<Napi::Number>().Int64Value());
  while (n < 0 && errno == EINTR);
  return Result(info, n);
}
Napi::Value Ftruncate(const Napi::CallbackInfo &info) {
  return Result(info, ftruncate(Fd(info, 0), info[1].As<Napi::Number>().Int64Value()));
}
Napi::Value Fsync(const Napi::CallbackInfo &info) { return Result(info, fsync(Fd(info, 0))); }
Napi::Value CloseFd(const Napi::CallbackInfo &info) { return Result(info, close(Fd(info, 0))); }

/** list(dir): [name, ino, type, ...] without . and .., or -errno. */
Napi::Value List(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int fd = openat(Fd(info, 0), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Result(info, -1);
  DIR *d = fdopendir(fd);
  if (d == nullptr) {
    int e = errno;
    close(fd);
    errno = e;
    return Result(info, -1);
  }
  Napi::Array out = Napi::Array::New(env);
  uint32_t i = 0;
  while (dirent *e = readdir(d)) {
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    napi_value s;
    napi_create_string_latin1(env, e->d_name, NAPI_AUTO_LENGTH, &s);
    out.Set(i++, Napi::Value(env, s));
    out.Set(i++, Napi::Number::New(env, static_cast<double>(e->d_ino)));
    out.Set(i++, Napi::Number::New(env, e->d_type));
  }
  closedir(d);
  return out;
}

Napi::Value ReadlinkAt(const Napi::CallbackInfo &info) {
  std::string name = Latin1(info, 1);
  char buf[4096];
  ssize_t n = Component(name) ? readlinkat(Fd(info, 0), name.c_str(), buf, sizeof buf) : -1;
  if (n < 0) return Result(info, -1);
  napi_value s;
  napi_create_string_latin1(info.Env(), buf, static_cast<size_t>(n), &s);
  return Napi::Value(info.Env(), s);
}
Napi::Value MkdirAt(const Napi::CallbackInfo &info) {
  std::string name = Latin1(info, 1);
  return Result(info, Component(name) ? mkdirat(Fd(info, 0), name.c_str(), static_cast<mode_t>(Fd(info, 2) & 07777)) : -1);
}
Napi::Value SymlinkAt(const Napi::CallbackInfo &info) {
  std::string name = Latin1(info, 1), target = Latin1(info, 2);
  return Result(info, Component(name) ? symlinkat(target.c_str(), Fd(info, 0), name.c_str()) : -1);
}
Napi::Value LinkAt(const Napi::CallbackInfo &info) {
  std::string from = Latin1(info, 1), to = Latin1(info, 3);
  return Result(info, Component(from) && Component(to) ? linkat(Fd(info, 0), from.c_str(), Fd(info, 2), to.c_str(), 0) : -1);
}
Napi::Value RenameAt(const Napi::CallbackInfo &info) {
  std::string from = Latin1(info, 1), to = Latin1(info, 3);
  return Result(info, Component(from) && Component(to) ? renameat(Fd(info, 0), from.c_str(), Fd(info, 2), to.c_str()) : -1);
}
/** unlinkAt(dir, name, isDir) */
Napi::Value UnlinkAt(const Napi::CallbackInfo &info) {
  std::string name = Latin1(info, 1);
  return Result(info, Component(name) ? unlinkat(Fd(info, 0), name.c_str(), Fd(info, 2) != 0 ? AT_REMOVEDIR : 0) : -1);
}
/** chmodAt(dir, name, mode): fchmodat follows links, so links are refused first (their modes mean nothing anyway). */
Napi::Value ChmodAt(const Napi::CallbackInfo &info) {
  std::string name = Latin1(info, 1);
  if (!Component(name)) return Result(info, -1);
  int fd = openat(Fd(info, 0), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return Result(info, -1);
  struct stat s;
  int r = fstat(fd, &s);
  if (r == 0 && S_ISLNK(s.st_mode)) {
    errno = EOPNOTSUPP;
    r = -1;
  } else if (r == 0) {
    std::string self = "/proc/self/fd/" + std::to_string(fd);
    r = chmod(self.c_str(), static_cast<mode_t>(Fd(info, 2) & 07777));
  }
  int e = errno;
  close(fd);
  errno = e;
  return Result(info, r);
}
/** utimesAt(dir, name, atime seconds, ns, mtime seconds, ns) */
Napi::Value UtimesAt(const Napi::CallbackInfo &info) {
  std::string name = Latin1(info, 1);
  timespec t[2];
  for (int i = 0; i < 2; i++) {
    t[i].tv_sec = info[2 + 2 * i].As<Napi::Number>().Int64Value();
    t[i].tv_nsec = info[3 + 2 * i].As<Napi::Number>().Int64Value();
  }
  return Result(info, Component(name) ? utimensat(Fd(info, 0), name.c_str(), t, AT_SYMLINK_NOFOLLOW) : -1);
}

/** tryRead(fd, buf): -EAGAIN rather than sleep. */
Napi::Value TryRead(const Napi::CallbackInfo &info) {
  int fd = Fd(info, 0);
  Bytes b = Buf(info, 1);
  pollfd p = {fd, POLLIN, 0};
  errno = EAGAIN;
  int r = poll(&p, 1, 0);
  if (r <= 0) return Result(info, -1);
  ssize_t n;
  do n = read(fd, b.p, b.n);
  while (n < 0 && errno == EINTR);
  return Result(info, n);
}

/** tryWrite(fd, buf): as much as goes without sleeping; -EAGAIN when nothing does. */
Napi::Value TryWrite(const Napi::CallbackInfo &info) {
  int fd = Fd(info, 0);
  Bytes b = Buf(info, 1);
  struct stat s;
  bool file = fstat(fd, &s) == 0 && S_ISREG(s.st_mode);
  size_t done = 0;
  while (done < b.n) {
    /* A descriptor that polls writable takes at least so much: a page of a pipe, part of a terminal's buffer. */
    size_t n = b.n - done;
    if (!file) {
      pollfd p = {fd, POLLOUT, 0};
      int r = poll(&p, 1, 0);
      if (r <= 0) {
        if (done > 0) break;
        if (r == 0) errno = EAGAIN;
        return Result(info, -1);
      }
      size_t most = S_ISCHR(s.st_mode) ? 512 : 4096;
      if (n > most) n = most;
    }
    ssize_t w = write(fd, b.p + done, n);
    if (w < 0 && errno == EINTR) continue;
    if (w < 0) {
      if (done > 0) break;
      return Result(info, -1);
    }
    done += static_cast<size_t>(w);
  }
  return Result(info, static_cast<int64_t>(done));
}

/** fdKind(fd): 0 closed, 1 tty, 2 pipe or socket, 3 file, 4 null or another device. */
Napi::Value FdKind(const Napi::CallbackInfo &info) {
  int fd = Fd(info, 0), kind = 4;
  struct stat s;
  if (fstat(fd, &s) != 0)
    kind = 0;
  else if (isatty(fd))
    kind = 1;
  else if (S_ISFIFO(s.st_mode) || S_ISSOCK(s.st_mode))
    kind = 2;
  else if (S_ISREG(s.st_mode))
    kind = 3;
  return Result(info, kind);
}

/** winsize(fd): rows * 65536 + cols, xpixel * 65536 + ypixel in an array of two, or -errno. */
Napi::Value Winsize(const Napi::CallbackInfo &info) {
  winsize w;
  if (ioctl(Fd(info, 0), TIOCGWINSZ, &w) != 0) return Result(info, -1);
  Napi::Array a = Napi::Array::New(info.Env(), 4);
  a.Set(0u, w.ws_row);
  a.Set(1u, w.ws_col);
  a.Set(2u, w.ws_xpixel);
  a.Set(3u, w.ws_ypixel);
  return a;
}

struct Raw {
  int fd = -1;
  termios saved;
  int pipe = -1;
  pid_t watcher = -1;
} raw;

/**
 * rawMode(fd, stubPath): the terminal of `fd` passes every byte through. A watcher process holds the old settings and
 * puts them back if this process ends without cookedMode(), whatever ended it.
 */
Napi::Value RawMode(const Napi::CallbackInfo &info) {
  int fd = Fd(info, 0);
  std::string stub = info[1].As<Napi::String>().Utf8Value();
  if (raw.fd >= 0) return Result(info, 0);
  if (tcgetattr(fd, &raw.saved) != 0) return Result(info, -1);
  int p[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p) != 0) return Result(info, -1);
  char *argv[] = {const_cast<char *>("vkstub"), const_cast<char *>("tty"), nullptr};
  char *envp[] = {nullptr};
  int in = fcntl(p[0], F_DUPFD_CLOEXEC, 16), tty = fcntl(fd, F_DUPFD_CLOEXEC, 16);
  posix_spawn_file_actions_t fa;
  posix_spawnattr_t attr;
  posix_spawn_file_actions_init(&fa);
  posix_spawnattr_init(&attr);
  posix_spawn_file_actions_adddup2(&fa, in, 0);
  posix_spawn_file_actions_adddup2(&fa, tty, 1);
  posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attr, 0);
  int e = posix_spawn(&raw.watcher, stub.c_str(), &fa, &attr, argv, envp);
  posix_spawn_file_actions_destroy(&fa);
  posix_spawnattr_destroy(&attr);
  close(p[0]);
  close(in);
  close(tty);
  if (e != 0) {
    close(p[1]);
    errno = e;
    return Result(info, -1);
  }
  char ready;
  if (read(p[1], &ready, 1) != 1) { /* the watcher could not read the settings */
    close(p[1]);
    waitpid(raw.watcher, nullptr, 0);
    errno = ENOTTY;
    return Result(info, -1);
  }
  raw.pipe = p[1];
  raw.fd = fd;
  termios t = raw.saved;
  cfmakeraw(&t);
  return Result(info, tcsetattr(fd, TCSADRAIN, &t));
}

/** The old settings again, and no watcher any more. May be called at any time. */
void Cooked() {
  if (raw.fd < 0) return;
  tcsetattr(raw.fd, TCSADRAIN, &raw.saved);
  raw.fd = -1;
  if (write(raw.pipe, "q", 1) == 1) waitpid(raw.watcher, nullptr, 0);
  close(raw.pipe);
  raw.pipe = -1;
}

Napi::Value CookedMode(const Napi::CallbackInfo &info) {
  Cooked();
  return info.Env().Undefined();
}

/**
 * openDisk(path, write): the descriptor, locked against a second writer; -errno (EWOULDBLOCK when locked, EBUSY for a
 * block device that the host itself uses).
 */
Napi::Value OpenDisk(const Napi::CallbackInfo &info) {
  std::string path = info[0].As<Napi::String>().Utf8Value();
  bool w = info[1].ToBoolean().Value();
  struct stat s;
  if (stat(path.c_str(), &s) != 0) return Result(info, -1);
  int excl = w && S_ISBLK(s.st_mode) ? O_EXCL : 0;
  int fd = open(path.c_str(), (w ? O_RDWR : O_RDONLY) | excl | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return Result(info, -1);
  if (fstat(fd, &s) != 0 || !(S_ISREG(s.st_mode) || S_ISBLK(s.st_mode))) {
    close(fd);
    errno = S_ISDIR(s.st_mode) ? EISDIR : EINVAL;
    return Result(info, -1);
  }
  if (flock(fd, (w ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
    int e = errno;
    close(fd);
    errno = e;
    return Result(info, -1);
  }
  return Result(info, fd);
}

/** diskSize(fd): bytes of a file or block device. */
Napi::Value DiskSize(const Napi::CallbackInfo &info) { return Result(info, lseek(Fd(info, 0), 0, SEEK_END)); }

}  // namespace

void InitFiles(Napi::Env env, Napi::Object exports) {
  struct {
    const char *name;
    Napi::Value (*f)(const Napi::CallbackInfo &);
  } table[] = {
      {"openRoot", OpenRoot},   {"fstat", Fstat},         {"lstatAt", Lstatat},     {"openDirAt", OpenDirAt},
      {"openFileAt", OpenFileAt}, {"pread", Pread},       {"pwrite", Pwrite},       {"ftruncate", Ftruncate},
      {"fsync", Fsync},         {"closeFd", CloseFd},     {"list", List},           {"readlinkAt", ReadlinkAt},
      {"mkdirAt", MkdirAt},     {"symlinkAt", SymlinkAt}, {"linkAt", LinkAt},       {"renameAt", RenameAt},
      {"unlinkAt", UnlinkAt},   {"chmodAt", ChmodAt},     {"utimesAt", UtimesAt},   {"tryRead", TryRead},
      {"tryWrite", TryWrite},   {"fdKind", FdKind},       {"winsize", Winsize},     {"rawMode", RawMode},
      {"cookedMode", CookedMode}, {"openDisk", OpenDisk}, {"diskSize", DiskSize},
  };
  for (auto &t : table) exports.Set(t.name, Napi::Function::New(env, t.f, t.name));
  env.AddCleanupHook([] { Cooked(); });
}
