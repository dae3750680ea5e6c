#include "base/result.hpp"

#include <cstring>

namespace base {

std::string sentence(const Error& error) {
  std::string text = error.doing;
  if (!error.answer.empty()) text += ": " + error.answer;
  if (!error.remedy.empty()) text += "; " + error.remedy;
  return text;
}

Error from_errno(int code, std::string doing, std::string remedy) {
  Kind kind = Kind::internal;
  if (code == ENOENT || code == ESRCH || code == ENOTDIR) kind = Kind::missing;
  if (code == EACCES || code == EPERM) kind = Kind::refused;
  if (code == ENOSYS || code == EINVAL || code == EOPNOTSUPP) kind = Kind::unsupported;
  return Error{kind, std::move(doing), std::strerror(code), std::move(remedy), code};
}

}  // namespace base
