// A worker's sign of life: an unlinked file whose times its master reads, in both of gunicorn's generations (workers/workertmp.py), or a word in shared memory.
#pragma once

#include <string>

#include "base/owner.hpp"
#include "base/result.hpp"
#include "prefork/board.hpp"
#include "prefork/manner.hpp"

namespace prefork {

struct Owner {
  int uid = -1, gid = -1;   // -1: as the process is
};

class Heartbeat {
 public:
  /// Made by the master before the fork; `slot` is used by Heartbeats::shared alone.
  static base::Result<Heartbeat> make(Heartbeats kind, const std::string& folder, Owner owner, Slot& slot);

  void beat();                          // by the worker; async-signal-safe
  /// By the master: seconds since the last beat, or since it was made; hugely negative for a fresh file of Heartbeats::mtime.
  double age() const;
  int fd() const { return file_.get(); }
  void close() { file_.reset(); }

 private:
  Heartbeats kind_ = Heartbeats::shared;
  base::Fd file_;
  Slot* slot_ = nullptr;
  bool spin_ = false;
};

}  // namespace prefork
