#include "prefork/title.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace prefork {

Title Title::take(int count, char** arguments) {
  Title out;
  if (count < 1) return out;
  char* end = arguments[0];
  // The kernel lays arguments and environment out one after the other; whoever set a variable before us broke the row, and there it ends.
  for (int i = 0; i < count; ++i)
    if (arguments[i] == end) end += std::strlen(end) + 1;
  std::size_t variables = 0;
  for (char** variable = environ; variable && *variable; ++variable, ++variables)
    if (*variable == end) end += std::strlen(end) + 1;
  char** copy = new char*[variables + 1];  // lives as long as the process
  for (std::size_t i = 0; i < variables; ++i) copy[i] = ::strdup(environ[i]);
  copy[variables] = nullptr;
  environ = copy;
  out.room_ = arguments[0];
  out.size_ = static_cast<std::size_t>(end - arguments[0]);
  return out;
}

void Title::set(std::string_view text) const {
  if (!room_ || size_ < 2) return;
  std::memset(room_, 0, size_);
  std::memcpy(room_, text.data(), std::min(text.size(), size_ - 1));
  char comm[16] = "";
  std::memcpy(comm, text.data(), std::min<std::size_t>(text.size(), 15));
  ::prctl(PR_SET_NAME, comm, 0, 0, 0);
}

}  // namespace prefork
