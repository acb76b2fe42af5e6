/*
 * The host side of a machine: guest RAM, control memory, the zygote, and the waiting.
 *
 * Invariants: all methods are called on the JavaScript thread. The doorbell word (VK_G_DOORBELL) is 1 only while
 * exactly one thread of this process, the JavaScript thread or the doorbell thread, waits for guests or events.
 */
#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "../stub/layout.h"
#include "disk.h"

/** Room in the table of running threads that waiting looks at: word index and value expected there. */
constexpr uint32_t kMaxRunning = VK_NCMD;

class Host : public Napi::ObjectWrap<Host> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Host(const Napi::CallbackInfo &info);
  ~Host() override;

  /** Called by any thread of the addon: something happened that the kernel should look at. */
  void RingDoorbell();
  uint8_t *RamAt(uint64_t pa, uint64_t len) const;

 private:
  Napi::Value RequestVm(const Napi::CallbackInfo &info);
  Napi::Value ReadVm(const Napi::CallbackInfo &info);
  Napi::Value Flush(const Napi::CallbackInfo &info);
  Napi::Value AwaitDoneJs(const Napi::CallbackInfo &info);
  Napi::Value AwaitNear(const Napi::CallbackInfo &info);
  Napi::Value LastResult(const Napi::CallbackInfo &info);
  Napi::Value OpenPid(const Napi::CallbackInfo &info);
  Napi::Value Signal(const Napi::CallbackInfo &info);
  Napi::Value Alive(const Napi::CallbackInfo &info);
  Napi::Value Parked(const Napi::CallbackInfo &info);
  Napi::Value ClosePid(const Napi::CallbackInfo &info);
  Napi::Value Wake(const Napi::CallbackInfo &info);
  Napi::Value Wait(const Napi::CallbackInfo &info);
  Napi::Value Listen(const Napi::CallbackInfo &info);
  Napi::Value Unlisten(const Napi::CallbackInfo &info);
  Napi::Value Discard(const Napi::CallbackInfo &info);
  Napi::Value AddDisk(const Napi::CallbackInfo &info);
  Napi::Value SubmitDisk(const Napi::CallbackInfo &info);
  Napi::Value TakeDisk(const Napi::CallbackInfo &info);
  Napi::Value ArmPoll(const Napi::CallbackInfo &info);
  Napi::Value TakePoll(const Napi::CallbackInfo &info);
  Napi::Value PinThread(const Napi::CallbackInfo &info);
  Napi::Value Close(const Napi::CallbackInfo &info);

  int AwaitDone(uint32_t block, uint32_t seq, int pidfd, uint32_t which);
  static void Cleanup(void *self);
  bool Ready() const;
  /** Sleep until a running guest has stopped, an event came, or `ns` passed (negative: no limit). */
  void WaitDoorbell(int64_t ns);
  void DoorbellThread();
  void CloseAll();

  uint32_t *Global(uint32_t off) const { return reinterpret_cast<uint32_t *>(ctl_ + VK_GLOBAL_OFF + off); }

  uint8_t *ctl_ = nullptr;
  uint64_t ctlBytes_ = 0;
  uint8_t *ram_ = nullptr;
  uint64_t ramBytes_ = 0;
  int ctlFd_ = -1;
  int ramFd_ = -1;
  int sock_ = -1;
  int zygote_ = -1;     /* pid, our child; a zombie until reaped here, so the number stays ours */
  uint32_t maxVm_ = 0;
  bool closed_ = false;

  /** running_[0]: count; running_[1]: events pending (set by addon threads, cleared by JavaScript);
      then pairs (index of a u32 in control memory, expected value). */
  uint32_t *running_ = nullptr;

  std::vector<std::unique_ptr<Disk>> disks_;
  std::mutex doneMutex_;
  std::vector<DiskDone> done_;
  std::unique_ptr<Poller> poller_;

  std::thread bell_;
  std::mutex bellMutex_;
  std::condition_variable bellCv_;
  bool bellArmed_ = false;
  bool bellWaiting_ = false;
  bool bellQuit_ = false;
  std::atomic<bool> bellCancel_{false};
  Napi::ThreadSafeFunction bellTsfn_;
};

/** files.cc */
void InitFiles(Napi::Env env, Napi::Object exports);
