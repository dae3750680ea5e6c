// The process title that ps shows: written over the arguments and the environment, as setproctitle does.
#pragma once

#include <string_view>

namespace prefork {

class Title {
 public:
  Title() = default;
  /// Takes the room of argv and environ; the environment is copied out of it first. Once a process.
  static Title take(int count, char** arguments);
  void set(std::string_view text) const;

 private:
  char* room_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace prefork
