// Where bytes come from. Host is the seam for files and /proc: the walk reads a live machine, a recorded folder, a bundle or a few
// texts in memory through the same three verbs. Hosts only read; nothing here writes to the machine that is looked at.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"

namespace source {

/// Bytes one bounded piece at a time, so that a log of many gigabytes costs one buffer.
class Stream {
 public:
  virtual ~Stream() = default;
  /// Fills at most `size` bytes; 0 at the end. A damaged compressed stream is an Error after the bytes that could be read.
  virtual base::Result<std::size_t> read(char* into, std::size_t size) = 0;
};

enum class EntryKind : std::uint8_t { file, folder, link, socket, other };

struct Entry {
  std::string name;
  EntryKind kind = EntryKind::file;
};

struct Stat {
  EntryKind kind = EntryKind::file;
  std::uint64_t size = 0, inode = 0, device = 0;
  std::uint32_t mode = 0, uid = 0, gid = 0;
  std::int64_t mtime_ns = 0, ctime_ns = 0;
};

class Host {
 public:
  virtual ~Host() = default;
  /// A small file whole, at most `most` bytes; a longer one is cut there (the caller sees size() == most).
  virtual base::Result<std::string> read(const std::string& path, std::size_t most = 1 << 20) const = 0;
  /// For logs: opened raw, or decompressed where the content is gzip or zstd.
  virtual base::Result<std::unique_ptr<Stream>> open(const std::string& path) const = 0;
  virtual base::Result<std::vector<Entry>> list(const std::string& path) const = 0;
  virtual base::Result<std::string> link(const std::string& path) const = 0;
  virtual base::Result<Stat> stat(const std::string& path) const = 0;  // of the target; a link that leads nowhere is an Error
  /// An extended attribute's bytes (an ACL). Error where there is none; recordings keep none: a bundle carries what was concluded from it.
  virtual base::Result<std::string> attribute(const std::string& path, const char* name) const;
  virtual base::Instant now() const = 0;                               // wall clock; of a recording, when it was made
  /// "live", "bundle" or "files": what the report calls its source.
  virtual std::string_view kind() const = 0;
};

/// Wraps a raw stream so that gzip (also several members) and zstd content comes out plain; other content passes unchanged.
std::unique_ptr<Stream> decompressed(std::unique_ptr<Stream> raw);
/// A stream over bytes in memory.
std::unique_ptr<Stream> memory_stream(std::string bytes);
/// The whole of a stream, at most `most` bytes.
base::Result<std::string> slurp(Stream& stream, std::size_t most);

/// "-", "/dev/stdin" and the shell's `<(command)` ("/dev/fd/63") name a stream that was handed to us: it is read to its end, whatever it is.
/// Its number; nullopt for every other path.
std::optional<int> own_descriptor(std::string_view path);

}  // namespace source
