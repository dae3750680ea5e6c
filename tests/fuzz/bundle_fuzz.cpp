// source: any bytes as a bundle's tar, compressed or not. No name may lead out of the archive, and what was read is a host like any other.
#include <cstdlib>
#include <string>

#include "source/bundle.hpp"
#include "source/tar.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto stream = source::decompressed(source::memory_stream(std::string(reinterpret_cast<const char*>(bytes), size)));
  const auto files = source::read_tar(*stream, {.most_bytes = 16u << 20, .most_files = 1000});
  if (!files) {
    base::sentence(files.error());
    return 0;
  }
  for (const auto& [name, text] : *files)
    if (name.empty() || name.front() == '/' || ("/" + name + "/").find("/../") != std::string::npos) std::abort();
  const auto host = source::bundle_host(*files);
  host->now();
  for (const auto& [name, text] : *files) {
    host->read("/" + name, 1 << 16);
    host->stat("/" + name);
    host->link("/" + name);
  }
  host->list("/");
  return 0;
}
