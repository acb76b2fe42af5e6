/* See host.h. */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <string>

#include <poll.h>

namespace {

constexpr uint64_t kSegment = 1ull << 30;

long Futex(uint32_t *word, int op, uint32_t val, const timespec *timeout) {
  return syscall(SYS_futex, word, op, val, timeout, nullptr, 0);
}

timespec Timespec(int64_t ns) { return {ns / 1000000000, ns % 1000000000}; }

int MemFd(const char *name, uint64_t bytes) {
  int fd = static_cast<int>(syscall(SYS_memfd_create, name, 1 /* MFD_CLOEXEC */ | 0x10 /* MFD_EXEC */));
  if (fd < 0 && errno == EINVAL) fd = static_cast<int>(syscall(SYS_memfd_create, name, 1));
  if (fd >= 0 && ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    int e = errno;
    close(fd);
    errno = e;
    return -1;
  }
  return fd;
}

Napi::Error HostError(Napi::Env env, const char *what) {
  int e = errno;
  Napi::Error err = Napi::Error::New(env, std::string(what) + ": " + strerror(e));
  err.Set("errno", Napi::Number::New(env, e));
  return err;
}

/** A descriptor above the ones that spawn's dup2 writes to. */
int MoveUp(int fd) {
  int up = fcntl(fd, F_DUPFD_CLOEXEC, 16);
  if (up >= 0) close(fd);
  return up;
}

int ErrnoOr(long r) { return r < 0 ? -errno : static_cast<int>(r); }

/** How long a stopped guest thread spins for its answer before it sleeps. */
constexpr int64_t kSpinNs = 50000;
/** How long a request is left to the guest thread that should start the near mapper. */
constexpr int64_t kNearNs = 30000;

int64_t NowNs() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/** Rounds of the stub's spin loop that take about `ns`. */
uint32_t CalibrateSpin(int64_t ns) {
  int64_t t0 = NowNs();
  for (int i = 0; i < 1000; i++) __builtin_ia32_pause();
  int64_t each = (NowNs() - t0) / 1000 + 1;
  return static_cast<uint32_t>(ns / each);
}

/** Processors of this process before any machine has pinned its thread. */
const cpu_set_t &OriginalCpus() {
  static const cpu_set_t all = [] {
    cpu_set_t s;
    CPU_ZERO(&s);
    if (sched_getaffinity(0, sizeof s, &s) != 0 || CPU_COUNT(&s) == 0) CPU_SET(0, &s);
    return s;
  }();
  return all;
}

}  // namespace

Napi::Function Host::Define(Napi::Env env) {
  return DefineClass(env, "Host",
                     {
                         InstanceMethod<&Host::RequestVm>("requestVm"),
                         InstanceMethod<&Host::ReadVm>("readVm"),
                         InstanceMethod<&Host::Flush>("flush"),
                         InstanceMethod<&Host::AwaitDoneJs>("awaitDone"),
                         InstanceMethod<&Host::AwaitNear>("awaitNear"),
                         InstanceMethod<&Host::LastResult>("lastResult"),
                         InstanceMethod<&Host::OpenPid>("openPid"),
                         InstanceMethod<&Host::Signal>("signal"),
                         InstanceMethod<&Host::Alive>("alive"),
                         InstanceMethod<&Host::Parked>("parked"),
                         InstanceMethod<&Host::ClosePid>("closePid"),
                         InstanceMethod<&Host::Wake>("wake"),
                         InstanceMethod<&Host::Wait>("wait"),
                         InstanceMethod<&Host::Listen>("listen"),
                         InstanceMethod<&Host::Unlisten>("unlisten"),
                         InstanceMethod<&Host::Discard>("discard"),
                         InstanceMethod<&Host::AddDisk>("addDisk"),
                         InstanceMethod<&Host::SubmitDisk>("submitDisk"),
                         InstanceMethod<&Host::TakeDisk>("takeDisk"),
                         InstanceMethod<&Host::ArmPoll>("armPoll"),
                         InstanceMethod<&Host::TakePoll>("takePoll"),
                         InstanceMethod<&Host::PinThread>("pinThread"),
                         InstanceMethod<&Host::Close>("close"),
                     });
}

/** new Host(ramBytes, maxVm, stubPath, onDoorbell): sets ctl, ram (segments), running, slotBytes, cpus. */
Host::Host(const Napi::CallbackInfo &info) : Napi::ObjectWrap<Host>(info) {
  Napi::Env env = info.Env();
  if (info.Length() < 4 || !info[0].IsNumber() || !info[1].IsNumber() || !info[2].IsString() || !info[3].IsFunction())
    throw Napi::TypeError::New(env, "Host(ramBytes, maxVm, stubPath, onDoorbell)");
  ramBytes_ = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
  maxVm_ = info[1].As<Napi::Number>().Uint32Value();
  std::string stub = info[2].As<Napi::String>().Utf8Value();
  if (ramBytes_ == 0 || ramBytes_ % 4096 != 0 || maxVm_ == 0 || maxVm_ > 1023)
    throw Napi::TypeError::New(env, "bad RAM size or number of vmspaces");
  ctlBytes_ = static_cast<uint64_t>(VK_BLOCK) * (maxVm_ + 1);

  int pair[2] = {-1, -1};
  try {
    if ((ctlFd_ = MemFd("vkernel-control", ctlBytes_)) < 0) throw HostError(env, "control memory");
    if ((ramFd_ = MemFd("vkernel-ram", ramBytes_)) < 0) throw HostError(env, "guest RAM");
    if ((ctlFd_ = MoveUp(ctlFd_)) < 0 || (ramFd_ = MoveUp(ramFd_)) < 0) throw HostError(env, "dup");
    void *p = mmap(nullptr, ctlBytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, ctlFd_, 0);
    if (p == MAP_FAILED) throw HostError(env, "mapping control memory");
    ctl_ = static_cast<uint8_t *>(p);
    p = mmap(nullptr, ramBytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, ramFd_, 0);
    if (p == MAP_FAILED) throw HostError(env, "mapping guest RAM");
    ram_ = static_cast<uint8_t *>(p);
    running_ = static_cast<uint32_t *>(calloc(2 + 2 * kMaxRunning, sizeof(uint32_t)));
    if (running_ == nullptr) throw HostError(env, "memory");

    unsigned long hwcap2 = getauxval(AT_HWCAP2);
    *Global(VK_G_FLAGS) = (hwcap2 & 2) != 0 ? VK_GF_FSGSBASE : 0;
    unsigned long sigstk = getauxval(51 /* AT_MINSIGSTKSZ */);
    if (sigstk < 2048) sigstk = 4096;
    /* Our struct, two of the kernel's frames (a preempt signal may interrupt another's handler), the handlers' own stack. */
    uint32_t slot = 8192;
    while (slot < 2 * sigstk + VK_S_STACK + 1536) slot += 4096;

    *Global(VK_G_SPIN) = CalibrateSpin(kSpinNs);

    /* One processor for the kernel, the others for guests. */
    cpu_set_t all = OriginalCpus(), kernel, guest;
    CPU_ZERO(&kernel);
    CPU_ZERO(&guest);
    static_assert(sizeof(cpu_set_t) <= 128, "cpu set");
    int n = CPU_COUNT(&all), pick = static_cast<int>(getpid()) % n;
    for (int i = 0, k = 0; i < CPU_SETSIZE; i++) {
      if (!CPU_ISSET(i, &all)) continue;
      CPU_SET(i, k++ == pick && n > 1 ? &kernel : &guest);
      if (n == 1) CPU_SET(i, &kernel);
    }
    if (n == 1) *Global(VK_G_SPIN) = 0;
    /* With several, a thread that is woken may be put on another one than its waker's, and nothing would be won. */
    bool near = n > 1 && CPU_COUNT(&guest) == 1;
    if (near) *Global(VK_G_FLAGS) |= VK_GF_NEAR;
    memcpy(Global(VK_G_GUESTCPUS), &guest, sizeof guest);
    memcpy(Global(VK_G_KERNELCPUS), &kernel, sizeof kernel);

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) throw HostError(env, "socketpair");
    if ((pair[0] = MoveUp(pair[0])) < 0 || (pair[1] = MoveUp(pair[1])) < 0) throw HostError(env, "dup");
    std::string parent = std::to_string(getpid());
    char *argv[] = {const_cast<char *>("vkstub"), const_cast<char *>(parent.c_str()), nullptr};
    char *envp[] = {nullptr};
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_adddup2(&fa, ctlFd_, VK_FD_CTL);
    posix_spawn_file_actions_adddup2(&fa, ramFd_, VK_FD_RAM);
    posix_spawn_file_actions_adddup2(&fa, pair[1], VK_FD_SOCK);
    /* Out of the terminal's process group: ^C and ^Z are for the kernel only. */
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attr, 0);
    pid_t pid = -1;
    int e = posix_spawn(&pid, stub.c_str(), &fa, &attr, argv, envp);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&attr);
    close(pair[1]);
    pair[1] = -1;
    if (e != 0) {
      errno = e;
      throw HostError(env, ("starting " + stub).c_str());
    }
    zygote_ = pid;
    sched_setaffinity(pid, sizeof guest, &guest);
    sock_ = pair[0];
    pair[0] = -1;

    Napi::Object self = info.This().As<Napi::Object>();
    uint8_t *ctl = ctl_, *ram = ram_;
    uint64_t ctlBytes = ctlBytes_, ramBytes = ramBytes_;
    self.Set("ctl", Napi::ArrayBuffer::New(env, ctl, ctlBytes, [ctlBytes](Napi::Env, void *q) { munmap(q, ctlBytes); }));
    Napi::Array segs = Napi::Array::New(env);
    for (uint64_t off = 0; off < ramBytes; off += kSegment) {
      uint64_t len = ramBytes - off < kSegment ? ramBytes - off : kSegment;
      segs.Set(static_cast<uint32_t>(off / kSegment),
               Napi::ArrayBuffer::New(env, ram + off, len, [len](Napi::Env, void *q) { munmap(q, len); }));
    }
    self.Set("ram", segs);
    self.Set("running", Napi::ArrayBuffer::New(env, running_, (2 + 2 * kMaxRunning) * sizeof(uint32_t),
                                               [](Napi::Env, void *q) { free(q); }));
    self.Set("slotBytes", Napi::Number::New(env, slot));
    self.Set("cpus", Napi::Number::New(env, n));
    self.Set("near", Napi::Boolean::New(env, near));
    bellTsfn_ = Napi::ThreadSafeFunction::New(env, info[3].As<Napi::Function>(), "vkernel doorbell", 0, 1);
    bell_ = std::thread(&Host::DoorbellThread, this);
    napi_add_env_cleanup_hook(env, &Host::Cleanup, this);
  } catch (...) {
    for (int fd : pair)
      if (fd >= 0) close(fd);
    CloseAll();
    throw;
  }
}

Host::~Host() { CloseAll(); }

void Host::Cleanup(void *self) { static_cast<Host *>(self)->CloseAll(); }

void Host::CloseAll() {
  if (closed_) return;
  closed_ = true;
  disks_.clear(); /* finishes what was submitted */
  poller_.reset();
  if (bell_.joinable()) {
    {
      std::lock_guard<std::mutex> lock(bellMutex_);
      bellQuit_ = true;
      bellCancel_ = true;
      bellCv_.notify_all();
    }
    RingDoorbell();
    bell_.join();
    bellTsfn_.Release();
  }
  if (zygote_ > 0) {
    if (sock_ >= 0) close(sock_);
    sock_ = -1;
    /* It ends by itself once its children have; after a while, by force, and they with it. */
    for (int i = 0; i < 100 && waitpid(zygote_, nullptr, WNOHANG) == 0; i++) usleep(i < 20 ? 200 : 5000);
    kill(zygote_, SIGKILL);
    while (waitpid(zygote_, nullptr, 0) < 0 && errno == EINTR) {
    }
    zygote_ = -1;
  }
  for (int *fd : {&sock_, &ctlFd_, &ramFd_})
    if (*fd >= 0) {
      close(*fd);
      *fd = -1;
    }
}

Napi::Value Host::Close(const Napi::CallbackInfo &info) {
  if (!closed_) napi_remove_env_cleanup_hook(info.Env(), &Host::Cleanup, this);
  CloseAll();
  return info.Env().Undefined();
}

/** requestVm(block): ask for a new vmspace process, which starts with the request block as it is; readVm tells its pid. */
Napi::Value Host::RequestVm(const Napi::CallbackInfo &info) {
  uint32_t v = info[0].As<Napi::Number>().Uint32Value();
  if (v >= maxVm_) throw Napi::TypeError::New(info.Env(), "requestVm: no such block");
  uint64_t base = static_cast<uint64_t>(VK_BLOCK) * (v + 1) + VK_REQ_OFF;
  for (uint64_t b : {base, base + VK_R_NEAR}) *reinterpret_cast<uint64_t *>(ctl_ + b + VK_R_DONEOFF) = b + VK_R_DONE;
  *reinterpret_cast<uint32_t *>(ctl_ + base + VK_R_NEAR + VK_R_WAITING) = 1;
  ssize_t n = send(sock_, &v, 4, MSG_NOSIGNAL);
  return Napi::Number::New(info.Env(), n == 4 ? 0 : -errno);
}

/** readVm(): pid of the oldest requested vmspace (sleeps until it is there), or -errno. */
Napi::Value Host::ReadVm(const Napi::CallbackInfo &info) {
  struct {
    uint32_t v;
    int pid;
  } msg;
  ssize_t n;
  do n = recv(sock_, &msg, sizeof msg, 0);
  while (n < 0 && errno == EINTR);
  if (n == 0) return Napi::Number::New(info.Env(), -ESRCH);
  if (n != sizeof msg) return Napi::Number::New(info.Env(), n < 0 ? -errno : -EIO);
  return Napi::Number::New(info.Env(), msg.pid);
}

/** Wait until the mapper of `block` has finished request `seq`; as flush(). `which`: 0, or VK_R_NEAR for the near one. */
int Host::AwaitDone(uint32_t block, uint32_t seq, int pidfd, uint32_t which) {
  uint8_t *req = ctl_ + static_cast<uint64_t>(VK_BLOCK) * (block + 1) + VK_REQ_OFF + which;
  uint32_t *done = reinterpret_cast<uint32_t *>(req + VK_R_DONE);
  uint32_t *waiting = reinterpret_cast<uint32_t *>(req + VK_R_WAITING);
  timespec ts = Timespec(500000000);
  uint32_t now;
  /* The mapper shares our processor: stepping aside for it is cheaper than sleeping until it wakes us. */
  for (int i = 0; i < 2 && which == 0; i++) {
    if (((now = __atomic_load_n(done, __ATOMIC_SEQ_CST)) & 0x7fffffffu) == seq) return now == seq ? 0 : 1;
    sched_yield();
  }
  struct Waiting {
    uint32_t *word;
    explicit Waiting(uint32_t *w) : word(w) {
      if (word != nullptr) __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
    }
    ~Waiting() {
      if (word != nullptr) __atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
    }
  } sleeping(which == 0 ? waiting : nullptr); /* the near one always wakes: guests wait too */
  while (((now = __atomic_load_n(done, __ATOMIC_SEQ_CST)) & 0x7fffffffu) != seq) {
    if (Futex(done, FUTEX_WAIT, now, &ts) == 0 || errno != ETIMEDOUT) continue;
    if (pidfd >= 0) {
      pollfd p = {pidfd, POLLIN, 0};
      if (poll(&p, 1, 0) > 0) return -ESRCH;
    }
    if (zygote_ < 0) return -ESRCH;
    if (waitpid(zygote_, nullptr, WNOHANG) == zygote_) {
      zygote_ = -1;
      return -ESRCH;
    }
  }
  return now == seq ? 0 : 1;
}

/**
 * flush(block, seq, pidfd): the request block of `block` has been written; start request `seq` (below 2^31) and wait
 * for the mapper. 0 when carried out, 1 when an operation failed (see lastResult), -errno when the mapper is gone.
 */
Napi::Value Host::Flush(const Napi::CallbackInfo &info) {
  uint32_t v = info[0].As<Napi::Number>().Uint32Value();
  uint32_t seq = info[1].As<Napi::Number>().Uint32Value();
  int pidfd = info[2].As<Napi::Number>().Int32Value();
  if (v >= maxVm_) throw Napi::TypeError::New(info.Env(), "flush: no such block");
  uint32_t *req = reinterpret_cast<uint32_t *>(ctl_ + static_cast<uint64_t>(VK_BLOCK) * (v + 1) + VK_REQ_OFF);
  req[VK_R_FAILED / 4] = seq | 0x80000000u;
  __atomic_store_n(&req[VK_R_SEQ / 4], seq, __ATOMIC_SEQ_CST);
  Futex(&req[VK_R_SEQ / 4], FUTEX_WAKE, 1, nullptr);
  return Napi::Number::New(info.Env(), AwaitDone(v, seq, pidfd, 0));
}

/**
 * awaitNear(block, seq, pidfd): wait for a request to the near mapper, which a guest thread should have started. One
 * that does not is not waited for.
 */
Napi::Value Host::AwaitNear(const Napi::CallbackInfo &info) {
  uint32_t v = info[0].As<Napi::Number>().Uint32Value();
  uint32_t seq = info[1].As<Napi::Number>().Uint32Value();
  if (v >= maxVm_) throw Napi::TypeError::New(info.Env(), "awaitNear: no such block");
  uint32_t *req =
      reinterpret_cast<uint32_t *>(ctl_ + static_cast<uint64_t>(VK_BLOCK) * (v + 1) + VK_REQ_OFF + VK_R_NEAR);
  for (int64_t until = NowNs() + kNearNs; NowNs() < until;)
    for (int i = 0; i < 32; i++) {
      if ((__atomic_load_n(&req[VK_R_DONE / 4], __ATOMIC_SEQ_CST) & 0x7fffffffu) == seq) goto done;
      __builtin_ia32_pause();
    }
  Futex(&req[VK_R_SEQ / 4], FUTEX_WAKE, 1, nullptr);
done:
  return Napi::Number::New(info.Env(), AwaitDone(v, seq, info[2].As<Napi::Number>().Int32Value(), VK_R_NEAR));
}

/** awaitDone(block, seq, pidfd): wait for a request that was started with the process itself. */
Napi::Value Host::AwaitDoneJs(const Napi::CallbackInfo &info) {
  uint32_t v = info[0].As<Napi::Number>().Uint32Value();
  if (v >= maxVm_) throw Napi::TypeError::New(info.Env(), "awaitDone: no such block");
  return Napi::Number::New(
      info.Env(), AwaitDone(v, info[1].As<Napi::Number>().Uint32Value(), info[2].As<Napi::Number>().Int32Value(), 0));
}

/** lastResult(): what the last flush left: a pid, or operations left * 2^32 + errno. */
Napi::Value Host::LastResult(const Napi::CallbackInfo &info) {
  return Napi::Number::New(info.Env(), static_cast<double>(lseek(ctlFd_, 0, SEEK_CUR)));
}

/** openPid(pid): a descriptor of the process, or -errno. Signals go through it, so a reused pid is never hit. */
Napi::Value Host::OpenPid(const Napi::CallbackInfo &info) {
  return Napi::Number::New(info.Env(), ErrnoOr(syscall(SYS_pidfd_open, info[0].As<Napi::Number>().Int32Value(), 0)));
}

Napi::Value Host::Signal(const Napi::CallbackInfo &info) {
  int fd = info[0].As<Napi::Number>().Int32Value(), sig = info[1].As<Napi::Number>().Int32Value();
  return Napi::Number::New(info.Env(), ErrnoOr(syscall(SYS_pidfd_send_signal, fd, sig, nullptr, 0)));
}

/** alive(pidfd): false once the process has ended. */
Napi::Value Host::Alive(const Napi::CallbackInfo &info) {
  pollfd p = {info[0].As<Napi::Number>().Int32Value(), POLLIN, 0};
  return Napi::Boolean::New(info.Env(), poll(&p, 1, 0) <= 0);
}

/**
 * parked(pid, pidfd, line): true when thread `pid` sleeps at VK_REUSE_PARKED on command line `line`. The host's kernel
 * says so, not the thread. False also when the host does not let us look.
 */
Napi::Value Host::Parked(const Napi::CallbackInfo &info) {
  int pid = info[0].As<Napi::Number>().Int32Value(), pidfd = info[1].As<Napi::Number>().Int32Value();
  unsigned long long want = VK_CMD + VK_C_SIZE * static_cast<unsigned long long>(info[2].As<Napi::Number>().Uint32Value());
  char path[64], buf[256];
  snprintf(path, sizeof path, "/proc/%d/syscall", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Napi::Boolean::New(info.Env(), false);
  ssize_t n = read(fd, buf, sizeof buf - 1);
  close(fd);
  if (n <= 0) return Napi::Boolean::New(info.Env(), false);
  buf[n] = '\0';
  long nr = -1;
  unsigned long long a[6], sp = 0, pc = 0;
  bool ok = sscanf(buf, "%ld %llx %llx %llx %llx %llx %llx %llx %llx", &nr, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5],
                   &sp, &pc) == 9 &&
            nr == SYS_futex && a[0] == want && a[1] == FUTEX_WAIT && a[3] == 0 && pc == VK_REUSE_PARKED;
  /* Alive afterwards: so the number was its own all the time. */
  pollfd p = {pidfd, POLLIN, 0};
  return Napi::Boolean::New(info.Env(), ok && poll(&p, 1, 0) == 0);
}

Napi::Value Host::ClosePid(const Napi::CallbackInfo &info) {
  close(info[0].As<Napi::Number>().Int32Value());
  return info.Env().Undefined();
}

/** wake(index): wake the sleepers of the u32 at that index of control memory. */
Napi::Value Host::Wake(const Napi::CallbackInfo &info) {
  uint64_t i = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
  if (i * 4 >= ctlBytes_) throw Napi::TypeError::New(info.Env(), "wake: out of range");
  Futex(reinterpret_cast<uint32_t *>(ctl_) + i, FUTEX_WAKE, 0x7fffffff, nullptr);
  return info.Env().Undefined();
}

bool Host::Ready() const {
  if (__atomic_load_n(&running_[1], __ATOMIC_SEQ_CST) != 0) return true;
  uint32_t n = running_[0] < kMaxRunning ? running_[0] : kMaxRunning;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t word = running_[2 + 2 * i];
    if (static_cast<uint64_t>(word) * 4 < ctlBytes_ &&
        __atomic_load_n(reinterpret_cast<uint32_t *>(ctl_) + word, __ATOMIC_SEQ_CST) == running_[3 + 2 * i])
      return true;
  }
  return false;
}

void Host::WaitDoorbell(int64_t ns) {
  uint32_t *bell = Global(VK_G_DOORBELL);
  __atomic_store_n(bell, 1, __ATOMIC_SEQ_CST);
  if (!Ready() && !bellCancel_.load()) {
    timespec ts = Timespec(ns < 0 ? 0 : ns);
    Futex(bell, FUTEX_WAIT, 1, ns < 0 ? nullptr : &ts);
  }
  __atomic_store_n(bell, 0, __ATOMIC_SEQ_CST);
}

void Host::RingDoorbell() {
  __atomic_store_n(&running_[1], 1, __ATOMIC_SEQ_CST);
  uint32_t *bell = Global(VK_G_DOORBELL);
  /* As the stub does: a waiter that has set the word but not yet gone to sleep would miss a single wake. */
  while (__atomic_load_n(bell, __ATOMIC_SEQ_CST) != 0)
    if (Futex(bell, FUTEX_WAKE, 1, nullptr) > 0) break;
}

/** wait(ns): sleep on the doorbell, on this thread; the event loop stands still meanwhile. */
Napi::Value Host::Wait(const Napi::CallbackInfo &info) {
  WaitDoorbell(info[0].As<Napi::Number>().Int64Value());
  return info.Env().Undefined();
}

/** listen(): let the doorbell thread wait and call onDoorbell once. Until then, or unlisten(), do not wait(). */
Napi::Value Host::Listen(const Napi::CallbackInfo &info) {
  std::lock_guard<std::mutex> lock(bellMutex_);
  bellCancel_ = false;
  bellArmed_ = true;
  bellCv_.notify_all();
  return info.Env().Undefined();
}

/** unlisten(): take the waiting back from the doorbell thread. */
Napi::Value Host::Unlisten(const Napi::CallbackInfo &info) {
  std::unique_lock<std::mutex> lock(bellMutex_);
  bellArmed_ = false;
  bellCancel_ = true;
  while (bellWaiting_) {
    Futex(Global(VK_G_DOORBELL), FUTEX_WAKE, 1, nullptr);
    lock.unlock();
    sched_yield();
    lock.lock();
  }
  bellCancel_ = false;
  return info.Env().Undefined();
}

void Host::DoorbellThread() {
  std::unique_lock<std::mutex> lock(bellMutex_);
  for (;;) {
    bellCv_.wait(lock, [this] { return bellArmed_ || bellQuit_; });
    if (bellQuit_) return;
    bellArmed_ = false;
    bellWaiting_ = true;
    lock.unlock();
    while (!Ready() && !bellCancel_.load()) WaitDoorbell(-1);
    lock.lock();
    bellWaiting_ = false;
    if (!bellCancel_.load()) bellTsfn_.NonBlockingCall();
  }
}

/** discard(block): forget the contents of a vmspace block. Its processes must be gone. */
Napi::Value Host::Discard(const Napi::CallbackInfo &info) {
  uint32_t v = info[0].As<Napi::Number>().Uint32Value();
  if (v >= maxVm_) throw Napi::TypeError::New(info.Env(), "discard: no such block");
  int r = fallocate(ctlFd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(VK_BLOCK) * (v + 1), VK_BLOCK);
  return Napi::Number::New(info.Env(), ErrnoOr(r));
}

/** pinThread(): put the calling thread on the kernel's processor. */
Napi::Value Host::PinThread(const Napi::CallbackInfo &info) {
  return Napi::Number::New(info.Env(), ErrnoOr(sched_setaffinity(0, 128, reinterpret_cast<cpu_set_t *>(Global(VK_G_KERNELCPUS)))));
}

/** addDisk(fd, size, cow): number of the disk; takes the descriptor. */
Napi::Value Host::AddDisk(const Napi::CallbackInfo &info) {
  int fd = info[0].As<Napi::Number>().Int32Value();
  uint64_t size = static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value());
  disks_.push_back(std::make_unique<Disk>(fd, size, info[2].ToBoolean().Value(), [this](DiskDone d) {
    {
      std::lock_guard<std::mutex> lock(doneMutex_);
      done_.push_back(d);
    }
    RingDoorbell();
  }));
  return Napi::Number::New(info.Env(), static_cast<double>(disks_.size() - 1));
}

/** submitDisk(disk, op, off, pa, len, cookie): 0 done at once, 1 takeDisk will tell. */
Napi::Value Host::SubmitDisk(const Napi::CallbackInfo &info) {
  uint32_t d = info[0].As<Napi::Number>().Uint32Value();
  int op = info[1].As<Napi::Number>().Int32Value();
  uint64_t off = static_cast<uint64_t>(info[2].As<Napi::Number>().Int64Value());
  uint64_t pa = static_cast<uint64_t>(info[3].As<Napi::Number>().Int64Value());
  uint64_t len = static_cast<uint64_t>(info[4].As<Napi::Number>().Int64Value());
  uint8_t *mem = RamAt(pa, len);
  if (d >= disks_.size() || mem == nullptr || op < kRead || op > kFlush)
    throw Napi::TypeError::New(info.Env(), "submitDisk: bad request");
  int error = 0;
  bool now = disks_[d]->Submit(op, off, mem, len, info[5].As<Napi::Number>().DoubleValue(), &error);
  return Napi::Number::New(info.Env(), now ? 0 : 1);
}

/** takeDisk(Float64Array): fills in pairs (cookie, errno) of finished requests; how many. */
Napi::Value Host::TakeDisk(const Napi::CallbackInfo &info) {
  Napi::Float64Array out = info[0].As<Napi::Float64Array>();
  std::lock_guard<std::mutex> lock(doneMutex_);
  size_t n = 0;
  for (; n < done_.size() && 2 * n + 1 < out.ElementLength(); n++) {
    out[2 * n] = done_[n].cookie;
    out[2 * n + 1] = done_[n].error;
  }
  done_.erase(done_.begin(), done_.begin() + static_cast<std::ptrdiff_t>(n));
  return Napi::Number::New(info.Env(), static_cast<double>(n));
}

/** armPoll(slot 0..15, fd, write): ring the doorbell once when the descriptor is ready; takePoll tells which. */
Napi::Value Host::ArmPoll(const Napi::CallbackInfo &info) {
  uint32_t slot = info[0].As<Napi::Number>().Uint32Value();
  if (slot > 15 || closed_) throw Napi::TypeError::New(info.Env(), "armPoll: bad slot");
  if (!poller_) poller_ = std::make_unique<Poller>([this] { RingDoorbell(); });
  poller_->Arm(static_cast<int>(slot), info[1].As<Napi::Number>().Int32Value(), info[2].ToBoolean().Value());
  return info.Env().Undefined();
}

Napi::Value Host::TakePoll(const Napi::CallbackInfo &info) {
  return Napi::Number::New(info.Env(), poller_ ? poller_->Take() : 0);
}

uint8_t *Host::RamAt(uint64_t pa, uint64_t len) const {
  return pa <= ramBytes_ && len <= ramBytes_ - pa ? ram_ + pa : nullptr;
}
