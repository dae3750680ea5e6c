// The master's pid file, gunicorn's way (pidfile.py): made beside and renamed, so that nobody ever reads half a number; removed only by whom it names.
#pragma once

#include <string>

#include "base/result.hpp"

namespace prefork {

class Pidfile {
 public:
  /// Refused while it names a live process that is not us.
  base::Result<> create(const std::string& path, int pid);
  base::Result<> rename(const std::string& path);
  void remove();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int pid_ = 0;
};

/// The pid that a file names, when it lives (or may not be asked: EPERM); else 0.
int living_pid(const std::string& path);

}  // namespace prefork
