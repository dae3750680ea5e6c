// parse: any bytes as a log or a document, by the same door that `--from` uses: envelopes, every format, every document, decompression. What
// came of it must be bounded, name a source that exists, and print as NDJSON that can be read again.
#include <cstdlib>
#include <map>
#include <string>

#include "evidence/vocabulary.hpp"
#include "parse/read.hpp"
#include "source/recorded_host.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);

  evidence::Evidence evidence;
  const auto stream = source::decompressed(source::memory_stream(text));
  parse::read_stream(*stream, "fuzz.log", {}, evidence, {.longest_line = 4096});

  const source::TextHost host({{"/fuzz", text}});
  parse::read(host, {"/fuzz"}, {}, evidence);

  for (const auto& fact : evidence.facts) {
    if (fact.origin.source >= evidence.sources.size()) std::abort();
    if (fact.text.size() > evidence::excerpt_limit) std::abort();
  }
  const auto again = evidence::read_ndjson(evidence::to_ndjson(evidence));
  if (!again || again->facts.size() != evidence.facts.size()) std::abort();
  return 0;
}
