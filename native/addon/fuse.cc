/*
 * /dev/fuse for TypeScript: mounting, reading requests, writing replies, and a bell for the time between.
 *
 * The JavaScript thread reads requests itself (read() below spins and sleeps for a bounded time), so a burst costs no
 * hand-over between threads. When nothing comes for a while it arms the bell and goes back to its event loop: a thread
 * polls the descriptor and calls back once. The protocol is TypeScript's.
 */
#include "fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

extern char **environ;

namespace {

Napi::Value Result(const Napi::CallbackInfo &info, int64_t r) {
  return Napi::Number::New(info.Env(), static_cast<double>(r < 0 ? -errno : r));
}

int64_t NowNs() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * 1000000000ll + ts.tv_nsec;
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

class FuseDevice : public Napi::ObjectWrap<FuseDevice> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "FuseDevice",
                       {
                           InstanceMethod<&FuseDevice::Read>("read"),
                           InstanceMethod<&FuseDevice::Write>("write"),
                           InstanceMethod<&FuseDevice::Arm>("arm"),
                           InstanceMethod<&FuseDevice::Close>("close"),
                       });
  }

  /** new FuseDevice(fd, onReady): takes the descriptor, which does not block. */
  explicit FuseDevice(const Napi::CallbackInfo &info) : Napi::ObjectWrap<FuseDevice>(info) {
    Napi::Env env = info.Env();
    if (!info[0].IsNumber() || !info[1].IsFunction()) throw Napi::TypeError::New(env, "FuseDevice(fd, onReady)");
    fd_ = info[0].As<Napi::Number>().Int32Value();
    wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bell_ = Napi::ThreadSafeFunction::New(env, info[1].As<Napi::Function>(), "fuse bell", 0, 1);
    thread_ = std::thread(&FuseDevice::Run, this);
    napi_add_env_cleanup_hook(env, &FuseDevice::Cleanup, this);
  }

  ~FuseDevice() override {
    if (fd_ >= 0) napi_remove_env_cleanup_hook(Env(), &FuseDevice::Cleanup, this);
    Shut();
  }

 private:
  static void Cleanup(void *self) { static_cast<FuseDevice *>(self)->Shut(); }

  /**
   * read(buf, spinNs, waitMs): one request. Looks again and again for `spinNs`, then sleeps for up to `waitMs`.
   * @returns its bytes; 0 when there is none; -errno, -ENODEV after an unmount
   */
  Napi::Value Read(const Napi::CallbackInfo &info) {
    Bytes b = Buf(info, 0);
    int64_t spin = info[1].As<Napi::Number>().Int64Value(), until = 0;
    int wait = info[2].As<Napi::Number>().Int32Value();
    for (;;) {
      ssize_t n = read(fd_, b.p, b.n);
      if (n >= 0) return Result(info, n);
      /* ENOENT: the request was withdrawn while it was handed over. */
      if (errno == EINTR || errno == ENOENT) continue;
      if (errno != EAGAIN) return Result(info, -1);
      if (spin > 0) {
        int64_t now = NowNs();
        if (until == 0) until = now + spin;
        if (now < until) {
          for (int i = 0; i < 20; i++) __builtin_ia32_pause();
          continue;
        }
      }
      if (wait <= 0) return Result(info, 0);
      pollfd p = {fd_, POLLIN, 0};
      int r = poll(&p, 1, wait);
      if (r == 0 || (r < 0 && errno == EINTR)) return Result(info, 0);
      if (r < 0) return Result(info, -1);
      spin = 0;
      wait = 0;
    }
  }

  /** write(buf, len): a reply in one piece. -ENOENT: nobody waits for it any more. */
  Napi::Value Write(const Napi::CallbackInfo &info) {
    Bytes b = Buf(info, 0);
    size_t len = static_cast<size_t>(info[1].As<Napi::Number>().Int64Value());
    if (len > b.n) throw Napi::TypeError::New(info.Env(), "reply longer than its buffer");
    iovec v = {b.p, len};
    ssize_t n;
    do n = writev(fd_, &v, 1);
    while (n < 0 && errno == EINTR);
    return Result(info, n);
  }

  /** arm(): call onReady once as soon as there is a request, or an unmount. */
  Napi::Value Arm(const Napi::CallbackInfo &info) {
    std::lock_guard<std::mutex> lock(mutex_);
    armed_ = true;
    cv_.notify_one();
    return info.Env().Undefined();
  }

  Napi::Value Close(const Napi::CallbackInfo &info) {
    if (fd_ >= 0) napi_remove_env_cleanup_hook(info.Env(), &FuseDevice::Cleanup, this);
    Shut();
    return info.Env().Undefined();
  }

  void Shut() {
    if (fd_ < 0) return;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      quit_ = true;
      cv_.notify_one();
    }
    eventfd_write(wake_, 1);
    thread_.join();
    bell_.Release();
    close(wake_);
    close(fd_);
    fd_ = -1;
  }

  void Run() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      cv_.wait(lock, [this] { return armed_ || quit_; });
      if (quit_) return;
      armed_ = false;
      lock.unlock();
      pollfd p[2] = {{fd_, POLLIN, 0}, {wake_, POLLIN, 0}};
      while (poll(p, 2, -1) < 0) {
      }
      lock.lock();
      if (quit_) return;
      bell_.NonBlockingCall();
    }
  }

  int fd_ = -1;
  int wake_ = -1;
  bool armed_ = false;
  bool quit_ = false;
  std::mutex mutex_;
  std::condition_variable cv_;
  std::thread thread_;
  Napi::ThreadSafeFunction bell_;
};

/** fuseOpen(): a descriptor of /dev/fuse that does not block. */
Napi::Value FuseOpen(const Napi::CallbackInfo &info) {
  return Result(info, open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK));
}

/** mount(source, dir, type, flags, data): mount(2), for root. */
Napi::Value Mount(const Napi::CallbackInfo &info) {
  std::string source = info[0].As<Napi::String>().Utf8Value(), dir = info[1].As<Napi::String>().Utf8Value();
  std::string type = info[2].As<Napi::String>().Utf8Value(), data = info[4].As<Napi::String>().Utf8Value();
  unsigned long flags = info[3].As<Napi::Number>().Uint32Value();
  return Result(info, mount(source.c_str(), dir.c_str(), type.c_str(), flags, data.c_str()));
}

/** Unmounting writes back what is cached, which we serve ourselves: never on the JavaScript thread. */
class UmountWorker : public Napi::AsyncWorker {
 public:
  UmountWorker(Napi::Function done, std::string dir, int flags)
      : Napi::AsyncWorker(done, "umount"), dir_(std::move(dir)), flags_(flags) {}
  void Execute() override { error_ = umount2(dir_.c_str(), flags_) == 0 ? 0 : errno; }
  std::vector<napi_value> GetResult(Napi::Env env) override { return {Napi::Number::New(env, -error_)}; }

 private:
  std::string dir_;
  int flags_;
  int error_ = 0;
};

/** umount(dir, lazy, done): done(0) or done(-errno). */
Napi::Value Umount(const Napi::CallbackInfo &info) {
  std::string dir = info[0].As<Napi::String>().Utf8Value();
  int flags = UMOUNT_NOFOLLOW | (info[1].ToBoolean().Value() ? MNT_DETACH : 0);
  (new UmountWorker(info[2].As<Napi::Function>(), std::move(dir), flags))->Queue();
  return info.Env().Undefined();
}

/**
 * fusermount(dir, options): let fusermount3 mount, which may where we may not, and take the descriptor it sends over a
 * socket. Its complaints go to stderr.
 * @returns the descriptor; -ENOENT when there is no such program, -EPERM when it refused
 */
Napi::Value Fusermount(const Napi::CallbackInfo &info) {
  std::string dir = info[0].As<Napi::String>().Utf8Value(), options = info[1].As<Napi::String>().Utf8Value();
  int s[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) != 0) return Result(info, -1);
  /* Above the standard ones, which the child's number 3 could be. */
  int theirs = fcntl(s[0], F_DUPFD_CLOEXEC, 16);
  close(s[0]);
  const char *argv[] = {"fusermount3", "-o", options.c_str(), "--", dir.c_str(), nullptr};
  std::string env = "_FUSE_COMMFD=3";
  std::vector<char *> envp;
  for (char **e = environ; *e != nullptr; e++)
    if (strncmp(*e, "_FUSE_COMMFD=", 13) != 0) envp.push_back(*e);
  envp.push_back(&env[0]);
  envp.push_back(nullptr);
  posix_spawn_file_actions_t fa;
  posix_spawn_file_actions_init(&fa);
  posix_spawn_file_actions_adddup2(&fa, theirs, 3);
  pid_t pid;
  int e = posix_spawnp(&pid, argv[0], &fa, nullptr, const_cast<char **>(argv), envp.data());
  posix_spawn_file_actions_destroy(&fa);
  close(theirs);
  if (e != 0) {
    close(s[1]);
    errno = e;
    return Result(info, -1);
  }
  char byte;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  iovec v = {&byte, 1};
  msghdr m = {};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  ssize_t n;
  do n = recvmsg(s[1], &m, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  int fd = -1;
  cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : nullptr;
  if (c != nullptr && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(c), sizeof fd);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  close(s[1]);
  errno = EPERM;
  if (fd >= 0) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return Result(info, fd);
}

}  // namespace

void InitFuse(Napi::Env env, Napi::Object exports) {
  exports.Set("FuseDevice", FuseDevice::Define(env));
  struct {
    const char *name;
    Napi::Value (*f)(const Napi::CallbackInfo &);
  } table[] = {{"fuseOpen", FuseOpen}, {"mount", Mount}, {"umount", Umount}, {"fusermount", Fusermount}};
  for (auto &t : table) exports.Set(t.name, Napi::Function::New(env, t.f, t.name));
}
