// The archive form of a bundle: ustar, as every tar reads it, compressed by zstd. Reading is bounded and stays in memory: names that lead
// out of the archive are refused, links and devices are left out.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "source/host.hpp"

namespace source {

class TarWriter {
 public:
  /// `name` without a leading slash; longer than 100 bytes by a GNU long-name record. mtime in seconds.
  void add(std::string_view name, std::string_view bytes, std::int64_t mtime = 0);
  /// Ends the archive and hands it over, compressed.
  base::Result<std::string> finish();

 private:
  void header(std::string_view name, std::size_t size, char kind, std::int64_t mtime);
  std::string bytes_;
};

struct TarLimits {
  std::size_t most_bytes = 512u << 20, most_files = 100'000;
};

/// Files by name, without a leading slash or "./". Error for what is no tar, is damaged, or exceeds the limits.
base::Result<std::map<std::string, std::string>> read_tar(Stream& stream, const TarLimits& limits = {});

}  // namespace source
