#include "source/host.hpp"

#include <cerrno>

#include "base/text.hpp"

namespace source {

base::Result<std::string> Host::attribute(const std::string& path, const char* name) const {
  return base::fail(base::from_errno(ENODATA, "reading the attribute " + std::string(name) + " of " + path));
}

std::optional<int> own_descriptor(std::string_view path) {
  if (path == "-" || path == "/dev/stdin") return 0;
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"})
    if (base::starts_with(path, folder))
      if (const auto number = base::read_number(path.substr(folder.size())); number && *number >= 0 && *number < 1 << 20) return static_cast<int>(*number);
  return std::nullopt;
}

}  // namespace source
