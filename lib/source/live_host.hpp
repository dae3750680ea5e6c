// The machine we run on.
#pragma once

#include "source/host.hpp"

namespace source {

class LiveHost : public Host {
 public:
  base::Result<std::string> read(const std::string& path, std::size_t most) const override;
  base::Result<std::unique_ptr<Stream>> open(const std::string& path) const override;
  base::Result<std::vector<Entry>> list(const std::string& path) const override;
  base::Result<std::string> link(const std::string& path) const override;
  base::Result<Stat> stat(const std::string& path) const override;
  base::Result<std::string> attribute(const std::string& path, const char* name) const override;
  base::Instant now() const override;
  std::string_view kind() const override { return "live"; }
};

}  // namespace source
