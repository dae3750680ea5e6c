// What master and workers see of each other: a page of shared memory, mapped before the first fork. Every word has one writer, or is atomic; nothing in it
// is a lock, since a worker may die at any instruction.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace prefork {

constexpr int most_workers = 1024;      // slots: live ones, and old ones that finish their last request
constexpr std::size_t most_faults = 64;
constexpr std::size_t access_bytes = 1 << 16;

struct Slot {
  std::atomic<std::int32_t> pid{0};               // 0: free
  std::atomic<std::int64_t> beat_ns{0};           // CLOCK_MONOTONIC of the last heartbeat in shared memory; 0: none yet
  std::atomic<std::uint32_t> booted{0};
  std::atomic<std::uint64_t> requests{0}, connections{0}, open{0}, refused{0}, bytes_out{0}, accept_again{0};
  std::atomic<std::uint64_t> busy_ns{0};          // spent in the application
  std::atomic<std::uint64_t> status_class[6]{};   // 1xx..5xx by hundreds, [0] others
};

/// One fault's switch. Written by the master (command line, admin socket), read by everybody at once.
struct FaultSwitch {
  std::atomic<std::uint32_t> on{0};
  std::atomic<double> value{0}, chance{1};
  std::atomic<std::uint32_t> every{1}, seen{0}, fired{0};
  std::array<char, 64> path{};                     // prefix of the path; empty: any. Written while off.
};

struct Board {
  std::array<Slot, most_workers> slots;
  std::array<FaultSwitch, most_faults> faults;
  std::atomic<std::uint64_t> faults_on{0};         // a bit each, so that no fault costs one load
  std::atomic<std::int32_t> accept_lock{0};        // of accept_lock_holder_killed: the pid that holds it
  // The master's figures.
  std::atomic<std::uint64_t> spawned{0}, reaped{0}, timed_out{0}, killed{0}, reloads{0}, upgrades{0}, signals{0}, boot_failures{0};
};

/// Shared and anonymous; nullptr when there is no memory. It lives as long as the process.
Board* make_board();

/// Buffers of the access log, one a slot, so that what a crashed worker had not written yet is not lost: [u32 used][bytes].
struct AccessRoom {
  std::atomic<std::uint32_t> used{0};
  std::array<char, access_bytes - sizeof(std::uint32_t)> bytes;
};
AccessRoom* make_access_rooms();   // most_workers of them; touched only when used

}  // namespace prefork
