// Takes secrets out of what leaves the machine: values of the environment, passwords in DSNs, tokens in URLs, headers and command lines, keys.
// The same secret becomes the same mark, `[redacted-1]`, whatever its spelling (JSON escaped, percent-encoded), so that two lines can
// still be seen to hold the same one. Works by line and costs one pass; what it has learnt it finds again anywhere, also without its name.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace source {

class Redactor {
 public:
  /// The text without its secrets, of any size and any bytes; line by line, but for private keys. Secrets found on the way are remembered.
  std::string text(std::string_view text);
  /// NAME=value\0 of /proc/PID/environ: every value becomes a mark, but for the names in `kept`, whose values go through text().
  std::string environment(std::string_view text, const std::vector<std::string>& kept);
  /// Remembers what text() or environment() would take out, so that a later text() finds it in files read before.
  void learn(std::string_view text);
  void learn_environment(std::string_view text, const std::vector<std::string>& kept);

  /// How many different secrets were found.
  std::size_t secrets() const { return static_cast<std::size_t>(last_); }

 private:
  struct Span { std::size_t begin = 0, end = 0; int mark = 0; };
  void line(std::string_view line, std::string& out);
  void find(std::string_view line, std::vector<Span>& spans);
  void find_known(std::string_view line, std::vector<Span>& spans) const;
  void find_userinfo(std::string_view line, std::vector<Span>& spans);
  void find_named(std::string_view line, std::vector<Span>& spans);
  void find_shaped(std::string_view line, std::vector<Span>& spans);
  /// The mark of a secret as it is spelt here; remembered for find_known where `lasting`.
  int mark(std::string_view spelt, bool lasting = true);
  void remember(const std::string& spelling, int number);

  std::map<std::string, int> marks_;                        // by plain spelling
  std::map<std::uint16_t, std::vector<std::pair<std::string, int>>> known_;   // spellings by their first two bytes
  std::bitset<1 << 16> starts_;
  std::size_t known_count_ = 0;
  int last_ = 0;
  bool in_key_ = false;                                     // between BEGIN and END of a private key
};

}  // namespace source
