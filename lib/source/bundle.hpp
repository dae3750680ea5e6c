// What a look read, kept so that the same look can be had again elsewhere without root. Recording wraps a Host and remembers its answers; a
// bundle is the files of a recorded root (see RecordedHost) with stats.ndjson, now.txt and evidence.ndjson beside them, redacted, as
// tar.zst or unpacked in a folder.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "source/host.hpp"
#include "source/redact.hpp"

namespace source {

/// A bundle's files by their path without the leading slash.
using Files = std::map<std::string, std::string>;

struct RecordingLimits {
  std::size_t head = 256 << 10, tail = 4 << 20;   // of each log: its first and last bytes
  std::size_t total = 192 << 20;                  // of all files; what comes later is left out and counted
};

/// Asks the inner host and remembers what it answered. Logs are kept as they were read: decompressed, their middle left out when long.
class RecordingHost : public Host {
 public:
  explicit RecordingHost(const Host& inner, RecordingLimits limits = {});
  ~RecordingHost() override;
  base::Result<std::string> read(const std::string& path, std::size_t most) const override;
  base::Result<std::unique_ptr<Stream>> open(const std::string& path) const override;
  base::Result<std::vector<Entry>> list(const std::string& path) const override;
  base::Result<std::string> link(const std::string& path) const override;
  base::Result<Stat> stat(const std::string& path) const override;
  base::Result<std::string> attribute(const std::string& path, const char* name) const override { return inner_.attribute(path, name); }
  base::Instant now() const override { return inner_.now(); }
  std::string_view kind() const override { return inner_.kind(); }

  /// What was read until now: files, NAME.link for links, stats.ndjson, now.txt.
  Files files() const;
  /// Files that were left out because the limit was reached.
  std::size_t left_out() const;

  struct Memory;

 private:
  const Host& inner_;
  std::shared_ptr<Memory> memory_;  // streams outlive a call and write into it as they are read
};

/// Takes the secrets out of every file, and of the names' texts too: learns from all of them first. `kept`: environment variables whose values
/// stay (their secrets do not).
Files redacted(const Files& files, Redactor& redactor, const std::vector<std::string>& kept);

/// tar.zst of the files; entries stand below "triage-bundle/".
base::Result<std::string> pack(const Files& files, std::int64_t mtime_s);

/// A host of such files, in memory.
std::unique_ptr<Host> bundle_host(const Files& files);
/// A bundle's file or folder as a host. Its evidence, if it holds any, is the file "/evidence.ndjson". Error for what is no bundle.
base::Result<std::unique_ptr<Host>> open_bundle(const std::string& path);
/// Whether a path is one, by its content: a tar (compressed or not), or a folder with stats.ndjson or evidence.ndjson.
bool is_bundle(const std::string& path);

}  // namespace source
