// parse: every document reader, also on text that it would not have claimed: the first byte chooses the reader.
#include <cstdlib>
#include <string>

#include "parse/format.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto readers = parse::configs();
  if (size == 0 || readers.empty()) return 0;
  const std::string text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const auto& reader = *readers[bytes[0] % readers.size()];

  const int sure = reader.sure("/site/x", std::string_view(text).substr(0, 4096));
  if (sure < 0 || sure > 100) std::abort();
  evidence::Evidence evidence;
  const auto source = evidence.add_source({.name = "x", .kind = reader.kind});
  parse::Sink sink(evidence, source);
  reader.read(text, sink);
  return 0;
}
