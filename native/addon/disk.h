/*
 * Disks and the poller: threads of the addon that work for the kernel and ring its doorbell.
 */
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

enum DiskOp { kRead = 0, kWrite = 1, kFlush = 2 };

struct DiskDone {
  double cookie;
  double error; /* errno of the host, 0 none */
};

/**
 * One disk: a thread that carries requests out in order. Reads that the host has in its cache are done at once by the
 * caller. With `cow`, written blocks stay in memory.
 */
class Disk {
 public:
  Disk(int fd, uint64_t size, bool cow, std::function<void(DiskDone)> done);
  ~Disk();
  /** True when already carried out (`*error` set); else `done` follows. */
  bool Submit(int op, uint64_t off, uint8_t *mem, uint64_t len, double cookie, int *error);

 private:
  static constexpr uint64_t kBlock = 4096;
  struct Request {
    int op;
    uint64_t off;
    uint8_t *mem;
    uint64_t len;
    double cookie;
  };
  int Carry(const Request &r);
  int Transfer(bool write, uint64_t off, uint8_t *mem, uint64_t len);
  int CowRead(uint64_t off, uint8_t *mem, uint64_t len);
  int CowWrite(uint64_t off, const uint8_t *mem, uint64_t len);
  void Run();

  int fd_;
  uint64_t size_;
  bool cow_;
  std::function<void(DiskDone)> done_;
  std::mutex mutex_;
  std::condition_variable cv_;
  std::deque<Request> queue_;
  uint64_t pending_ = 0; /* queued or being carried out */
  bool quit_ = false;
  std::unordered_map<uint64_t, std::unique_ptr<uint8_t[]>> blocks_; /* worker thread only */
  std::thread thread_;
};

/** Waits for descriptors to become ready, each asked for anew. Slots 0..15. */
class Poller {
 public:
  explicit Poller(std::function<void()> ring);
  ~Poller();
  void Arm(int slot, int fd, bool write);
  uint32_t Take();

 private:
  void Run();
  std::function<void()> ring_;
  std::mutex mutex_;
  int fds_[16];
  bool write_[16];
  uint32_t armed_ = 0;
  uint32_t ready_ = 0;
  int wake_ = -1;
  bool quit_ = false;
  std::thread thread_;
};
