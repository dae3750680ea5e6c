// The end of a log that is being written, followed across rotation (another inode under the name) and truncation. Keeps the last lines only.
#pragma once

#include <cstdint>
#include <string>

#include "base/owner.hpp"

namespace triage {

class LogTail {
 public:
  /// `path` as we can open it; `name` as the user knows it. Begins with what is at its end already.
  LogTail(std::string path, std::string name);
  /// Takes in what was written since; true when there was something.
  bool poll();
  const std::string& text() const { return text_; }
  const std::string& name() const { return name_; }
  const std::string& path() const { return path_; }
  /// Host pid of the server that writes it; 0 when several do.
  int writer() const { return writer_; }
  void written_by(int pid) { writer_ = writer_ == -1 || writer_ == pid ? pid : 0; }

 private:
  bool open(bool from_end);
  bool take();

  std::string path_, name_, text_;
  base::Fd fd_;
  int writer_ = -1;                              // nobody was named yet
  std::uint64_t inode_ = 0, device_ = 0, position_ = 0;
};

}  // namespace triage
