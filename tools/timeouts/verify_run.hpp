// What the proof needs of the machine: a scratch folder, servers as child processes that end with us, and a client of HTTP over unix sockets that
// says when each thing came.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace timeouts {

/// Seconds on the monotonic clock.
double now_s();
void sleep_s(double seconds);

class Scratch {
 public:
  static base::Result<Scratch> make(bool keep);
  Scratch(Scratch&& other) noexcept : path_(std::exchange(other.path_, {})), keep_(other.keep_) {}
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch();
  const std::string& path() const { return path_; }

 private:
  Scratch(std::string path, bool keep) : path_(std::move(path)), keep_(keep) {}
  std::string path_;
  bool keep_ = false;
};

bool write_file(const std::string& path, const std::string& text);
std::string read_file(const std::string& path);

/// A server in a process group of its own. The kernel tells it to go when the thread that started it ends.
class Child {
 public:
  static base::Result<Child> start(const std::vector<std::string>& words, const std::string& folder, const std::string& log, const std::vector<std::string>& environment);
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child& operator=(Child&&) = delete;
  ~Child();
  bool alive();
  void signal(int number) const;        // to the process itself
  void signal_group(int number) const;

 private:
  explicit Child(int pid) : pid_(pid) {}
  int pid_ = -1;
};

/// Tries to connect until it is answered or `deadline` seconds are over.
bool answers(const std::string& socket, double deadline);

struct Asked_of { std::string method = "GET", path; std::size_t body = 0, pieces = 1; double pause = 0; };
struct Seen {
  int status = 0;                        // 0: closed without an answer
  double header = 0, end = 0;            // seconds since the request was begun
  bool framed = false;                   // the end of the answer came as its framing promised
  std::string body;
  bool late = false;                     // our own deadline ended it
};
Seen ask(const std::string& socket, const Asked_of& request, double deadline);

/// The full path of a program, "" when there is none: PATH, then /usr/sbin and /usr/local/sbin.
std::string program(const std::string& name);
/// What a program prints, its first lines.
std::string printed(const std::vector<std::string>& words);

}  // namespace timeouts
