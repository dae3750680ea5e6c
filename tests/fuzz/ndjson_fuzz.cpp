// evidence: facts read back from NDJSON, as `--from` does with what `--show evidence` printed. What could be read must print, and read again.
#include <cstdlib>
#include <string_view>

#include "evidence/vocabulary.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto evidence = evidence::read_ndjson({reinterpret_cast<const char*>(bytes), size});
  if (!evidence) {
    base::sentence(evidence.error());
    return 0;
  }
  const auto again = evidence::read_ndjson(evidence::to_ndjson(*evidence));
  if (!again || again->facts.size() != evidence->facts.size() || again->sources.size() != evidence->sources.size()) std::abort();
  return 0;
}
