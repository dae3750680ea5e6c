// One JSON object of a log line, read without building a tree: its members in order, strings with their escapes undone. What is nested
// is passed over as raw text. A log has a line of this a row, so it must not allocate.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace parse {

struct Member {
  std::string_view name;
  std::string_view value;   // strings without quotes and escapes; everything else as it stands
  char kind = 0;            // '"' string, '0' number, 't' true or false, 'n' null, '{', '['
};

class JsonLine {
 public:
  /// False when `text` is no JSON object, or has more than most_members; members are then undefined. Views hold until the next read()
  /// and as long as `text`.
  bool read(std::string_view text);
  const std::vector<Member>& members() const { return members_; }
  /// Null when there is none. The first of several.
  const Member* find(std::string_view name) const;
  /// The string member `name`, or empty.
  std::string_view string(std::string_view name) const;

  static constexpr std::size_t most_members = 256;

 private:
  bool read_string(std::string_view text, std::size_t& at, std::string_view& value);

  std::vector<Member> members_;
  std::string scratch_;      // unescaped strings; sized once a line, for views point into it
  std::size_t used_ = 0;
};

/// A JSON array of numbers 0-255, as the journal writes messages that are no UTF-8. False when it is anything else.
bool bytes_of(std::string_view array, std::string& bytes);

}  // namespace parse
