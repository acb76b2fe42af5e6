/* See disk.h. */
#include "disk.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {
/** Signals belong to the JavaScript thread. */
void BlockSignals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
}
}  // namespace

Disk::Disk(int fd, uint64_t size, bool cow, std::function<void(DiskDone)> done)
    : fd_(fd), size_(size), cow_(cow), done_(std::move(done)), thread_(&Disk::Run, this) {}

Disk::~Disk() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    quit_ = true;
    cv_.notify_all();
  }
  thread_.join();
  close(fd_);
}

bool Disk::Submit(int op, uint64_t off, uint8_t *mem, uint64_t len, double cookie, int *error) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (op == kRead && !cow_ && pending_ == 0) {
    iovec v = {mem, len};
    if (preadv2(fd_, &v, 1, static_cast<off_t>(off), RWF_NOWAIT) == static_cast<ssize_t>(len)) {
      *error = 0;
      return true;
    }
  }
  queue_.push_back({op, off, mem, len, cookie});
  pending_++;
  cv_.notify_one();
  return false;
}

void Disk::Run() {
  BlockSignals();
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    cv_.wait(lock, [this] { return quit_ || !queue_.empty(); });
    if (queue_.empty()) return; /* what was queued is still carried out */
    Request r = queue_.front();
    queue_.pop_front();
    lock.unlock();
    int e = Carry(r);
    done_({r.cookie, static_cast<double>(e)});
    lock.lock();
    pending_--;
  }
}

int Disk::Carry(const Request &r) {
  if (r.op == kFlush) return cow_ || fdatasync(fd_) == 0 ? 0 : errno;
  if (!cow_) return Transfer(r.op == kWrite, r.off, r.mem, r.len);
  return r.op == kWrite ? CowWrite(r.off, r.mem, r.len) : CowRead(r.off, r.mem, r.len);
}

int Disk::Transfer(bool write, uint64_t off, uint8_t *mem, uint64_t len) {
  while (len > 0) {
    ssize_t n = write ? pwrite(fd_, mem, len, static_cast<off_t>(off)) : pread(fd_, mem, len, static_cast<off_t>(off));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return EIO; /* the file has become shorter */
    off += static_cast<uint64_t>(n);
    mem += n;
    len -= static_cast<uint64_t>(n);
  }
  return 0;
}

int Disk::CowRead(uint64_t off, uint8_t *mem, uint64_t len) {
  while (len > 0) {
    uint64_t block = off / kBlock, in = off % kBlock, n = kBlock - in < len ? kBlock - in : len;
    auto it = blocks_.find(block);
    if (it != blocks_.end()) {
      memcpy(mem, it->second.get() + in, n);
    } else {
      while (n < len && blocks_.find((off + n) / kBlock) == blocks_.end()) n += kBlock < len - n ? kBlock : len - n;
      int e = Transfer(false, off, mem, n);
      if (e != 0) return e;
    }
    off += n;
    mem += n;
    len -= n;
  }
  return 0;
}

int Disk::CowWrite(uint64_t off, const uint8_t *mem, uint64_t len) {
  while (len > 0) {
    uint64_t block = off / kBlock, in = off % kBlock, n = kBlock - in < len ? kBlock - in : len;
    auto &slot = blocks_[block];
    if (!slot) {
      std::unique_ptr<uint8_t[]> fresh(new (std::nothrow) uint8_t[kBlock]());
      uint64_t have = size_ - block * kBlock < kBlock ? size_ - block * kBlock : kBlock;
      int e = fresh ? (n == kBlock ? 0 : Transfer(false, block * kBlock, fresh.get(), have)) : ENOMEM;
      if (e != 0) {
        blocks_.erase(block);
        return e;
      }
      slot = std::move(fresh);
    }
    memcpy(slot.get() + in, mem, n);
    off += n;
    mem += n;
    len -= n;
  }
  return 0;
}

Poller::Poller(std::function<void()> ring) : ring_(std::move(ring)) {
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  thread_ = std::thread(&Poller::Run, this);
}

Poller::~Poller() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    quit_ = true;
  }
  eventfd_write(wake_, 1);
  thread_.join();
  close(wake_);
}

void Poller::Arm(int slot, int fd, bool write) {
  std::lock_guard<std::mutex> lock(mutex_);
  fds_[slot] = fd;
  write_[slot] = write;
  armed_ |= 1u << slot;
  eventfd_write(wake_, 1);
}

uint32_t Poller::Take() {
  std::lock_guard<std::mutex> lock(mutex_);
  uint32_t r = ready_;
  ready_ = 0;
  return r;
}

void Poller::Run() {
  BlockSignals();
  for (;;) {
    pollfd p[17];
    int slots[17], n = 0;
    p[n++] = {wake_, POLLIN, 0};
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (quit_) return;
      for (int i = 0; i < 16; i++)
        if ((armed_ & (1u << i)) != 0) {
          slots[n] = i;
          p[n++] = {fds_[i], static_cast<short>(write_[i] ? POLLOUT : POLLIN), 0};
        }
    }
    if (poll(p, static_cast<nfds_t>(n), -1) < 0) continue;
    eventfd_t v;
    if (p[0].revents != 0) eventfd_read(wake_, &v);
    bool any = false;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      for (int i = 1; i < n; i++)
        if (p[i].revents != 0) {
          armed_ &= ~(1u << slots[i]);
          ready_ |= 1u << slots[i];
          any = true;
        }
    }
    if (any) ring_();
  }
}
