// The envelopes alone, line by line with one opener: what comes out is bounded and points into memory that is still there.
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.hpp"
#include "parse/envelope.hpp"
#include "parse/envelope_header.hpp"
#include "parse/envelope_stamp.hpp"
#include "parse/traceback.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  parse::Opener opener(256, 1'795'390'000'000'000'000);
  parse::Traceback trace;
  std::size_t seen = 0;
  const auto look = [&](const parse::Record& record) {
    // Reading every byte lets the sanitizer say when a view is stale.
    for (const std::string_view view : {record.line, record.text, record.ident, record.unit, record.level})
      for (const char c : view) seen += static_cast<unsigned char>(c);
    for (const auto& field : record.fields) seen += field.name.size() + field.value.size();
    const parse::Header header = parse::take_header(record);
    seen += header.text.size() + header.level.size() + header.logger.size();
    if (!trace.take(record.text)) trace = {};
  };
  for (const auto line : base::split(text, '\n')) {
    const auto records = opener.open(line);
    if (records.size() > 10'000) std::abort();
    for (const auto& record : records) look(record);
  }
  for (const auto& record : opener.rest()) look(record);
  parse::read_epoch(text);
  return seen == SIZE_MAX ? 1 : 0;
}
