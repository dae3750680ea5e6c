#include "report/fingerprint.hpp"

#include <fmt/format.h>

#include <cstdint>

#include "report/witness.hpp"

namespace report {

namespace {

// FNV-1a, 64 bits: the parameters are those of its authors' page (isthe.com/chongo/tech/comp/fnv).
class Hash {
 public:
  void add(std::string_view text) {
    for (const char c : text) byte(static_cast<unsigned char>(c));
    byte(0xFF);  // never in UTF-8: "ab"+"c" is not "a"+"bc"
  }
  std::string text() const { return fmt::format("{:016x}", value_); }

 private:
  void byte(unsigned char b) { value_ = (value_ ^ b) * 0x100000001b3u; }
  std::uint64_t value_ = 0xcbf29ce484222325u;
};

}  // namespace

std::string fingerprint(const Report& report, const rule::Finding& finding) {
  Hash hash;
  hash.add(finding.rule);
  hash.add(finding.subject.server);
  hash.add(finding.subject.role);
  hash.add(finding.subject.where);
  hash.add(std::to_string(finding.subject.pid));
  hash.add(finding.when ? base::iso(*finding.when) : std::string());
  if (const auto place = place_of(report, finding)) hash.add(place_text(*place));
  return hash.text();
}

}  // namespace report
