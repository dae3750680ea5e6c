#include "probe/names.hpp"

#include "base/text.hpp"

namespace probe {

namespace {

// name:password:number:...
std::string name_in(const source::Host& host, const std::string& path, std::uint32_t number) {
  const std::string wanted = std::to_string(number);
  if (const auto text = host.read(path, 1 << 20))
    for (const auto line : base::split(*text, '\n')) {
      const auto fields = base::split(line, ':');
      if (fields.size() > 2 && fields[2] == wanted && !fields[0].empty()) return std::string(fields[0]);
    }
  return wanted;
}

}  // namespace

std::string user_name(const source::Host& host, const std::string& root, std::uint32_t uid) { return name_in(host, root + "/etc/passwd", uid); }
std::string group_name(const source::Host& host, const std::string& root, std::uint32_t gid) { return name_in(host, root + "/etc/group", gid); }

}  // namespace probe
