// Hosts that are no machine: a folder that was recorded (fixtures, an unpacked bundle) and texts in memory (card examples, fuzzing).
#pragma once

#include <map>

#include "source/live_host.hpp"

namespace source {

/// The files below `root` appear as the whole file system. Times stand in `root`/now.txt when a bundle wrote it.
class RecordedHost : public Host {
 public:
  explicit RecordedHost(std::string root, std::string kind = "bundle");
  base::Result<std::string> read(const std::string& path, std::size_t most) const override;
  base::Result<std::unique_ptr<Stream>> open(const std::string& path) const override;
  base::Result<std::vector<Entry>> list(const std::string& path) const override;
  base::Result<std::string> link(const std::string& path) const override;
  base::Result<Stat> stat(const std::string& path) const override;
  base::Instant now() const override;
  std::string_view kind() const override { return kind_; }

 private:
  std::string under(const std::string& path) const;
  LiveHost disk_;
  std::string root_, kind_;
};

/// Paths and their texts, in memory.
class TextHost : public Host {
 public:
  explicit TextHost(std::map<std::string, std::string> files) : files_(std::move(files)) {}
  base::Result<std::string> read(const std::string& path, std::size_t most) const override;
  base::Result<std::unique_ptr<Stream>> open(const std::string& path) const override;
  base::Result<std::vector<Entry>> list(const std::string& path) const override;
  base::Result<std::string> link(const std::string& path) const override;
  base::Result<Stat> stat(const std::string& path) const override;
  base::Instant now() const override { return {base::Clock::wall, 0, 0}; }
  std::string_view kind() const override { return "files"; }

 private:
  std::map<std::string, std::string> files_;
};

}  // namespace source
