#include "source/host.hpp"

#include <cerrno>

namespace source {

base::Result<std::string> Host::attribute(const std::string& path, const char* name) const {
  return base::fail(base::from_errno(ENODATA, "reading the attribute " + std::string(name) + " of " + path));
}

}  // namespace source
